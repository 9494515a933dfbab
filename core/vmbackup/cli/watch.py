"""`vmbackup watch`: look at a run that goes on elsewhere."""

import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.console import Group
from rich.text import Text

from vmbackup.cli.live_view import clock, live_view, words
from vmbackup.cli.options import ConfigOption, JsonOption, StateOption, open_site
from vmbackup.cli.output import console, duration, moment, name, size
from vmbackup.cli.screen import Screen
from vmbackup.errors import ConfigError, NoRun
from vmbackup.live import Picture, attached, last_ended, under_way
from vmbackup.live.picture import PICTURE
from vmbackup.metadata import one_line
from vmbackup.state import State

# A picture comes twice a second; where none has come for so long, the view says so.
SILENT = 5.0
# Around the VMs of a view that shows all of them.
LINES = 6


def watch(
    job: Annotated[str | None, typer.Argument(help="The job; not needed where one run alone is under way.")] = None,
    config: ConfigOption = None,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> int:
    """Look at a run that is under way elsewhere, under cron or systemd, until it ends; exit as it does."""
    site = open_site(config, state)
    kept, jobs = site.state(), tuple(site.config.jobs)
    if job is not None and job not in jobs:
        raise ConfigError(f"{site.file.path}: there is no job {job!r}; there is {', '.join(sorted(jobs)) or 'none'}")
    try:
        job = _chosen(kept, jobs) if job is None else job
        last = _look_on(kept, job, as_json=as_json)
    except PermissionError as error:
        raise ConfigError(
            f"{kept.folder}: {error.strerror}",
            advice="A run can be watched by the user that it runs as, and by root.",
        ) from error
    except ValidationError as error:
        raise ConfigError(f"the run of {job} is one of another version of vmbackup, and cannot be watched") from error
    return _end(last, kept, job, as_json=as_json)


def _chosen(state: State, jobs: tuple[str, ...]) -> str:
    """Return the one job whose run is under way. Raises NoRun, or ConfigError where there are several."""
    running = under_way(state)
    if len(running) > 1:
        raise ConfigError(f"runs of {len(running)} jobs are under way: {', '.join(running)}", advice="Name one.")
    if not running:
        known = [picture for job in jobs if (picture := last_ended(state, job))]
        raise NoRun("no run is under way", advice="\n".join(f"{one.job}: {_how_it_ended(one)}" for one in known))
    return running[0]


def _look_on(state: State, job: str, *, as_json: bool) -> Picture:
    """Show a run until it ends or dies, and return its last picture. Raises NoRun where none can be watched."""
    try:
        pictures = attached(state, job, SILENT)
        first = next(pictures, None)
    except (FileNotFoundError, ConnectionRefusedError):
        first = None
    if first is None:
        raise _no_run(state, job)
    view = _View(first)
    out = console()
    live = out.is_terminal and not out.is_dumb_terminal and not as_json
    with Screen(out, view.draw) if live else nullcontext():
        show: Callable[[Picture], None] = _print if as_json else (lambda _: None) if live else _Lines().show
        show(first)
        for picture in pictures:
            view.take(picture)
            if picture:
                show(picture)
    return view.picture


class _View:
    """The newest picture, and how old it is."""

    def __init__(self, picture: Picture) -> None:
        self.picture = picture
        self._came = time.monotonic()

    def take(self, picture: Picture | None) -> None:
        if picture is not None:
            self.picture, self._came = picture, time.monotonic()

    def draw(self, width: int, height: int) -> list[Text]:
        silent = time.monotonic() - self._came
        if silent < SILENT or self.picture.ended:
            return live_view(self.picture, width, height)
        said = Text(f"The run has not been heard of for {clock(silent)}", style="yellow", no_wrap=True)
        said.truncate(width - 1, overflow="ellipsis")
        return [*live_view(self.picture, width, height - 1), said]


class _Lines:
    """A line for each VM that is done, where no terminal is."""

    def __init__(self) -> None:
        self._told: set[str] = set()

    def show(self, picture: Picture) -> None:
        for row in picture.rows:
            if row.state not in {"waiting", "under way"} and row.uuid not in self._told:
                self._told.add(row.uuid)
                what = row.step or f"{size(row.read)} in {duration(row.seconds)}"
                sys.stdout.write(f"{row.state} {one_line(row.vm)}: {one_line(what)}\n")
        sys.stdout.flush()


def _print(picture: Picture) -> None:
    sys.stdout.write(PICTURE.dump_json(picture).decode() + "\n")
    sys.stdout.flush()


def _no_run(state: State, job: str) -> NoRun:
    if holder := state.holder(job):
        return NoRun(
            f"a run of {job} is under way, but it cannot be watched: {holder}",
            advice="It does not answer, or it could not open its socket in the state folder when it began.",
        )
    last = last_ended(state, job)
    return NoRun(f"no run of {job} is under way", advice=_how_it_ended(last) if last else "")


def _end(last: Picture, state: State, job: str, *, as_json: bool) -> int:
    """Say how the run has ended, and return its exit code. Raises NoRun where it died."""
    if last.ended is None:
        kept = last_ended(state, job)
        if kept is None or kept.run != last.run:
            raise NoRun(
                f"the run of {job} has ended without a word, as one that was killed does",
                advice="The next run cleans up what it has left behind.",
            )
        last = kept
    if not as_json:
        out = console()
        if out.is_terminal:
            out.print(Group(*live_view(last, out.width, len(last.rows) + LINES)))
        out.print(f"{name(job)}: {_how_it_ended(last)}", soft_wrap=True)
    return last.code or 0


def _how_it_ended(picture: Picture) -> str:
    ended = moment(picture.ended) if picture.ended else ""
    return f"the last run ended at {ended} after {clock(picture.seconds)}: {words(picture)}, exit code {picture.code}"
