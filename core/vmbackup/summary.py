"""A report as plain text: one for files, mail and chat.

Names come from the pool and are hostile: no line of theirs can look like one of ours.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from vmbackup.columns import aligned
from vmbackup.results import Failure, Kept, Outcome, Report, VMResult, exit_code
from vmbackup.wording import counted, human_age, human_seconds, human_size, plain

NAME_LENGTH = 120
# Figures and their gaps take the rest of 80 places.
NAME_WIDTH = 22
_HEADS = ("", "VM", "method", "stored", "rate", "time", "kept", "verified")
_NAME, _NUMBERS = 1, (3, 4, 5, 6, 7)


def headline(report: Report) -> str:
    """Return the report in one short line: `weekend on pool-1: 3 good, 1 failed`."""
    run = report.run
    parts = [f"{report.succeeded} good", f"{report.failed} failed"]
    if report.all_warnings:
        parts.append(counted(len(report.all_warnings), "warning"))
    if report.interrupted is not None:
        parts.append("interrupted")
    return f"{plain(run.job, NAME_LENGTH)} on {plain(run.pool.name, NAME_LENGTH) or 'unnamed pool'}: {', '.join(parts)}"


def report_text(report: Report) -> str:
    """Return the whole report: the counts, a line for each VM, what failed and what to do, and what lies where."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Report) -> Iterator[str]:
    run = report.run
    yield headline(report)
    yield ""
    yield f"Success: {report.succeeded}   Warnings: {len(report.all_warnings)}   Errors: {report.failed}"
    yield f"Exit code {exit_code(report)}, run {plain(run.id)}"
    seconds = (report.finished - run.started).total_seconds()
    yield f"{run.started:%Y-%m-%d %H:%M:%S} to {report.finished:%Y-%m-%d %H:%M:%S} UTC, {human_seconds(seconds)}"
    if report.interrupted is not None:
        yield f"Interrupted by signal {report.interrupted}: what is not listed below was not begun."
    yield from _vms(report)
    yield from _section("Failures of the run", [line for failure in report.failures for line in _failure(failure)])
    yield from _section("Warnings", _warnings(report))
    left = [each for each in report.inventory if not each.taken]
    others = [f"  {_name(each.vm)} ({plain(each.uuid)})" for each in left if not each.excluded]
    yield from _section("In the pool, and not taken by this job", others)
    excluded = [f"  {_name(each.vm)} ({plain(each.uuid)})" for each in left if each.excluded]
    yield from _section("Left out on purpose", excluded)
    yield from _section("Removed by retention", _removed(report))
    yield from _section("Mirrors", _mirrors(report))
    yield from _section("Rehearsals", _rehearsals(report))
    yield from _section("Free space", _spaces(report))


def _section(title: str, lines: Iterable[str]) -> Iterator[str]:
    """Yield a section, or nothing where there is nothing in it."""
    body = list(lines)
    if body:
        yield from ("", title, *body)


def _vms(report: Report) -> Iterator[str]:
    """Yield a line for each VM, and for each target where there are several; below it what failed."""
    if not report.results:
        return
    stock = {(one.target, one.uuid): one for one in report.kept}
    rows: list[Sequence[str]] = [_HEADS]
    below: list[list[str]] = [[]]
    for result in report.results:
        several = len(result.outcomes) != 1
        if several:
            rows.append((_verdict(result), _name(result.vm), plain(result.method), "", *_pace(result), "", ""))
            below.append([])
        for outcome in result.outcomes:
            word = "good" if outcome.backup else "FAILED"
            whose = (f"  on {plain(outcome.target)}", "") if several else (_name(result.vm), plain(result.method))
            figures = (_stored(outcome), *(("", "") if several else _pace(result)))
            rows.append((word, *whose, *figures, *_kept(stock.get((outcome.target, result.uuid)), report.finished)))
            below.append(list(_failure(outcome.failure)) if outcome.failure else [])
    yield ""
    for lines, failure in zip(aligned(rows, right=_NUMBERS, wide=_NAME, most=NAME_WIDTH), below, strict=True):
        yield from lines
        yield from failure


def _verdict(result: VMResult) -> str:
    return "good" if result.good else "partly" if result.partly else "FAILED"


def _pace(result: VMResult) -> tuple[str, str]:
    """Return how fast the pool was read, and how long it all took."""
    rate = f"{human_size(round(result.read / result.seconds))}/s" if result.seconds and result.read else "-"
    return rate, str(timedelta(seconds=round(result.seconds)))


def _stored(outcome: Outcome) -> str:
    return human_size(outcome.backup.size) if outcome.backup else "-"


def _kept(kept: Kept | None, now: datetime) -> tuple[str, str]:
    """Return how many copies there are, and how long ago one of them was read whole and found good."""
    if kept is None:
        return "-", "-"
    return str(kept.copies), human_age(kept.verified, now) if kept.verified else "never"


def _warnings(report: Report) -> Iterator[str]:
    for warning in report.warnings:
        yield from _failure(warning)
    for result in report.results:
        for warning in result.warnings:
            yield from _failure(warning, f"{_name(result.vm)}: ")
    for removal in report.removals:
        if removal.failure:
            yield from _failure(removal.failure, f"{plain(removal.target)}:{plain(removal.folder)}: ")
    for one in report.mirrored:
        if one.failure:
            yield from _failure(one.failure, f"{plain(one.mirror)}: ")


def _removed(report: Report) -> Iterator[str]:
    for removal in report.removals:
        if removal.failure is None:
            yield f"  {plain(removal.target)}:{plain(removal.folder)}"
            yield f"      {plain(removal.reason)}"


def _mirrors(report: Report) -> Iterator[str]:
    for mirror in dict.fromkeys(one.mirror for one in report.mirrored):
        done = [one for one in report.mirrored if one.mirror == mirror and one.failure is None]
        copied = [one for one in done if one.did == "copied"]
        removed = sum(one.did == "removed" for one in done)
        failed = sum(one.mirror == mirror and one.failure is not None for one in report.mirrored)
        size = human_size(sum(one.size for one in copied))
        yield f"  {plain(mirror)}: {len(copied)} copied, {size}; {removed} removed; {failed} failed"


def _rehearsals(report: Report) -> Iterator[str]:
    for one in report.rehearsals:
        came_to = f"alive after {human_seconds(one.boot_seconds)}" if one.good else f"FAILED: {plain(one.message)}"
        yield f"  {_name(one.name)}: {human_age(one.moment, report.finished)} ago, {came_to}"


def _spaces(report: Report) -> Iterator[str]:
    for space in report.spaces:
        before, after = ("unknown" if size is None else human_size(size) for size in (space.before, space.after))
        yield f"  {plain(space.target)}: {before} before, {after} after"


def _failure(failure: Failure, whose: str = "") -> Iterator[str]:
    yield f"    {plain(failure.step)}: {plain(failure.code)}: {whose}{plain(failure.message)}"
    if failure.advice:
        yield f"      → {plain(failure.advice)}"


def _name(name: str) -> str:
    return plain(name, NAME_LENGTH) or "(no name)"
