"""How things look on a terminal and elsewhere: sizes, times, names that cannot speak to the terminal, errors."""

import contextlib
import json
import os
import sys
from datetime import datetime, timedelta
from typing import TextIO

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from vmbackup.cli.journald import ERROR, is_connected
from vmbackup.errors import VmbackupError
from vmbackup.metadata import one_line

UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
STEP = 1024


def console(*, stderr: bool = False) -> Console:
    """Return the console for people, on standard output or standard error.

    Colons mean nothing to it: rich makes a picture of the `:ab:` in a MAC address where it is let.
    """
    return Console(stderr=stderr, highlight=False, soft_wrap=False, emoji=False)


def sole_output() -> TextIO:
    """Take standard output for what machines read; what anybody else prints there from now on goes to standard error.

    That holds for plugins, for what they have started, and for what still prints when it was given up.
    """
    sys.stdout.flush()
    own = os.fdopen(os.dup(1), "w", encoding="utf-8")
    with contextlib.suppress(OSError):
        os.dup2(2, 1)
    sys.stdout = sys.stderr
    return own


def name(text: str) -> str:
    """Return a name from the pool, safe to print with markup: no control characters, no markup of its own."""
    return escape(one_line(text))


def size(number: float) -> str:
    """Return bytes for people, such as `1.5 GiB`."""
    unit = 0
    while number >= STEP and unit < len(UNITS) - 1:
        number /= STEP
        unit += 1
    return f"{number:.0f} {UNITS[unit]}" if unit == 0 else f"{number:.1f} {UNITS[unit]}"


def duration(seconds: float) -> str:
    """Return seconds for people, such as `1:02:03` or `4.2 s`."""
    return f"{seconds:.1f} s" if seconds < 60 else str(timedelta(seconds=round(seconds)))  # noqa: PLR2004 - a minute


def moment(when: datetime) -> str:
    """Return a moment in UTC for people."""
    return f"{when:%Y-%m-%d %H:%M:%S}Z"


def age(when: datetime, now: datetime) -> str:
    """Return for people how long ago a moment was, such as `5 h ago` or `12 days ago`; both in UTC."""
    hours = max(0, (now - when) // timedelta(hours=1))
    return f"{hours // 24} days ago" if hours >= 48 else f"{hours} h ago"  # noqa: PLR2004 - two days


def table(*columns: str, right: tuple[str, ...] = ()) -> Table:
    """Return an empty table with these columns; those in `right` hold numbers."""
    made = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        made.add_column(column, justify="right" if column in right else "left", overflow="fold")
    return made


def print_json(value: object) -> None:
    """Print one JSON value on a line of its own."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def say_error(error: VmbackupError) -> None:
    """Print an error and what to do about it on standard error; systemd's journal takes it for an error, too."""
    first, *others = [one_line(line) for line in error.message.splitlines()] or [""]
    lines = [f"vmbackup: {first}", *others, *(f"  {one_line(line)}" for line in error.advice.splitlines())]
    mark = ERROR if is_connected(os.environ.get("JOURNAL_STREAM", ""), 2) else ""
    sys.stderr.write("".join(f"{mark}{line}\n" for line in lines))
