"""A bar while something long is read or written, on a terminal; nothing elsewhere."""

import contextlib
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.text import Text

from vmbackup.cli.output import console
from vmbackup.metadata import one_line
from vmbackup.verify import Tell


@contextlib.contextmanager
def reading(what: str, total: int | None) -> Iterator[Tell]:
    """Show the bytes that are told, out of `total` where that is known, until the end of the `with`."""
    with stepping(what, total) as (tell, _):
        yield tell


@contextlib.contextmanager
def stepping(what: str, total: int | None) -> Iterator[tuple[Tell, Callable[[str], None]]]:
    """Show bytes as `reading` does, and the step that is told, until the end of the `with`."""
    out = console(stderr=True)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=out, transient=True, disable=not out.is_terminal) as progress:
        line = progress.add_task(one_line(what), total=total)

        def enter(step: str) -> None:
            progress.update(line, description=f"{one_line(what)}: {one_line(step)}")

        yield lambda number: progress.advance(line, number), enter


@contextlib.contextmanager
def waiting(what: str, out: Console) -> Iterator[None]:
    """Show below what `out` prints that something goes on, until the end of the `with`."""
    with out.status(Text(one_line(what))) if out.is_terminal else contextlib.nullcontext():
        yield
