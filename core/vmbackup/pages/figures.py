"""What past runs have stored, how fast and how long, as series: the largest VMs each, and the others as one."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from vmbackup.results import Report, VMResult
from vmbackup.wording import plain

LARGEST = 5
NAME_LENGTH = 40


@dataclass(frozen=True, slots=True)
class Series:
    """The figures of one VM, or of all others: a value for each run, None where there was none."""

    name: str
    values: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of some runs, oldest first: bytes stored on one target, bytes a second read, and seconds.

    Each has the same VMs in the same order.
    """

    moments: tuple[datetime, ...]
    stored: tuple[Series, ...]
    rates: tuple[Series, ...]
    seconds: tuple[Series, ...]


def figures(reports: Iterable[Report]) -> Figures:
    """Make series of the good backups of some runs, in whatever order these come."""
    runs = sorted(reports, key=lambda report: (report.run.started, report.run.id))
    totals: dict[str, int] = {}
    names: dict[str, str] = {}
    for report in runs:
        for result in report.results:
            totals[result.uuid] = totals.get(result.uuid, 0) + (stored(result) or 0)
            names[result.uuid] = plain(result.vm, NAME_LENGTH) or "(no name)"
    ranked = sorted(totals, key=lambda uuid: (-totals[uuid], names[uuid], uuid))
    # A single one more has a colour of its own rather than be called "1 other".
    shown = ranked if len(ranked) <= LARGEST + 1 else ranked[:LARGEST]
    groups = [(names[uuid], frozenset({uuid})) for uuid in shown]
    if others := ranked[len(shown) :]:
        groups.append((f"{len(others)} others", frozenset(others)))
    parts = [[_of(report, uuids) for report in runs] for _, uuids in groups]
    return Figures(
        moments=tuple(report.run.started for report in runs),
        stored=_series(groups, [[_stored(results) for results in part] for part in parts]),
        rates=_series(groups, [[_rate(results) for results in part] for part in parts]),
        seconds=_series(groups, [[_seconds(results) for results in part] for part in parts]),
    )


def stored(result: VMResult) -> int | None:
    """Return what a backup takes on one of its targets, in bytes, or None where there is none."""
    return next((outcome.backup.size for outcome in result.outcomes if outcome.backup), None)


def of_one_vm(reports: Iterable[Report], uuid: str) -> list[Report]:
    """Return the runs that took a VM, each as if it had taken no other."""
    found = [(report, tuple(result for result in report.results if result.uuid == uuid)) for report in reports]
    return [
        replace(report, results=results, failures=(), warnings=(), removals=(), mirrored=(), interrupted=None)
        for report, results in found
        if results
    ]


def _of(report: Report, uuids: frozenset[str]) -> list[VMResult]:
    return [result for result in report.results if result.uuid in uuids and stored(result) is not None]


def _stored(results: Iterable[VMResult]) -> float | None:
    sizes = [size for result in results if (size := stored(result)) is not None]
    return sum(sizes) if sizes else None


def _rate(results: Sequence[VMResult]) -> float | None:
    seconds = sum(result.seconds for result in results)
    return sum(result.read for result in results) / seconds if seconds else None


def _seconds(results: Sequence[VMResult]) -> float | None:
    return sum(result.seconds for result in results) if results else None


def _series(
    groups: Sequence[tuple[str, frozenset[str]]], values: Sequence[Sequence[float | None]]
) -> tuple[Series, ...]:
    return tuple(Series(name, tuple(each)) for (name, _), each in zip(groups, values, strict=True))
