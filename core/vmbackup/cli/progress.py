"""A bar while something long is read or written, on a terminal; nothing elsewhere."""

import contextlib
import sys
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from vmbackup.cli.output import name
from vmbackup.verify import Tell


@contextlib.contextmanager
def reading(what: str, total: int | None) -> Iterator[Tell]:
    """Show the bytes that are told, out of `total` where that is known, until the end of the `with`."""
    with stepping(what, total) as (tell, _):
        yield tell


@contextlib.contextmanager
def stepping(what: str, total: int | None) -> Iterator[tuple[Tell, Callable[[str], None]]]:
    """Show bytes as `reading` does, and the step that is told, until the end of the `with`."""
    console = Console(file=sys.stderr, highlight=False)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        line = progress.add_task(name(what), total=total)

        def enter(step: str) -> None:
            progress.update(line, description=f"{name(what)}: {name(step)}")

        yield lambda number: progress.advance(line, number), enter


@contextlib.contextmanager
def waiting(what: str, console: Console) -> Iterator[None]:
    """Show below what `console` prints that something goes on, until the end of the `with`."""
    with console.status(name(what)) if console.is_terminal else contextlib.nullcontext():
        yield
