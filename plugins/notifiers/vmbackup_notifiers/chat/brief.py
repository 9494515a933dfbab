"""A report in a few lines, for where people talk. Names are hostile: none of them calls anybody or makes a link."""

import re
from collections.abc import Iterator
from typing import Final

from vmbackup import Report, human_seconds, human_size, plain

_LINES: Final = 12
_LENGTH: Final = 300
# What chats take for a call to everybody or to somebody, or for a link with another name.
_CALLS: Final = re.compile(r"[@<](?=\S)|(?<=\])\(")


def calm(text: str) -> str:
    """Return a line in which nothing is a call or a link."""
    return _CALLS.sub(lambda found: f"{found[0]} ", plain(text, _LENGTH))


def brief(report: Report) -> str:
    """Return how much was done, and what went wrong: failures first, and so many lines at most."""
    stored = sum(outcome.backup.size for result in report.results for outcome in result.outcomes if outcome.backup)
    seconds = (report.finished - report.run.started).total_seconds()
    lines = [*_wrong(report)]
    more = [f"… and {len(lines) - _LINES} more"] if len(lines) > _LINES else []
    return "\n".join([f"{human_size(stored)} stored, in {human_seconds(seconds)}", *lines[:_LINES], *more])


def _wrong(report: Report) -> Iterator[str]:
    for result in report.results:
        for outcome in result.outcomes:
            if failure := outcome.failure:
                yield calm(f"FAILED {result.vm or '(no name)'} on {outcome.target}: {failure.step}: {failure.message}")
    for failure in report.failures:
        yield calm(f"FAILED {failure.step}: {failure.message}")
    for warning in report.all_warnings:
        yield calm(f"warning {warning.step}: {warning.message}")
