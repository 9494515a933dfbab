"""A report as plain text: one for files, mail and chat.

Names come from the pool and are hostile: no line of theirs can look like one of ours.
"""

from collections.abc import Iterator

from vmbackup.results import Failure, Outcome, Report, VMResult, exit_code
from vmbackup.wording import human_seconds, human_size, plain

NAME_LENGTH = 120


def headline(report: Report) -> str:
    """Return the report in one short line: `weekend on pool-1: 3 good, 1 failed`."""
    run = report.run
    parts = [f"{report.succeeded} good", f"{report.failed} failed"]
    if report.all_warnings:
        parts.append(f"{len(report.all_warnings)} warnings" if len(report.all_warnings) > 1 else "1 warning")
    if report.interrupted is not None:
        parts.append("interrupted")
    return f"{plain(run.job, NAME_LENGTH)} on {plain(run.pool.name, NAME_LENGTH) or 'unnamed pool'}: {', '.join(parts)}"


def report_text(report: Report) -> str:
    """Return the whole report: the counts, a line for each VM and target, and every failure with its advice."""
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
    if report.results:
        yield from ("", "Virtual machines")
        for result in report.results:
            yield from _result_lines(result)
    yield from _failures("Failures of the run", report.failures)
    yield from _failures("Warnings", report.all_warnings)
    if removed := [removal for removal in report.removals if removal.failure is None]:
        yield from ("", "Removed by retention")
        for removal in removed:
            yield f"  {plain(removal.target)}:{plain(removal.folder)}: {plain(removal.reason)}"
    if left := [each for each in report.inventory if not each.taken]:
        yield from ("", "In the pool, and taken by no job")
        for each in left:
            yield f"  {_name(each.vm)} ({plain(each.uuid)})"


def _result_lines(result: VMResult) -> Iterator[str]:
    for outcome in result.outcomes:
        verdict = "good  " if outcome.backup else "FAILED"
        facts = [plain(result.method), _stored(result, outcome), human_seconds(result.seconds)]
        yield f"  {verdict} {_name(result.vm)}: {', '.join(facts)}, {_place(outcome)}"
        if outcome.failure:
            yield from _failure(outcome.failure)


def _stored(result: VMResult, outcome: Outcome) -> str:
    if outcome.backup:
        return f"{human_size(outcome.backup.size)} stored of {human_size(result.read)} read"
    return f"{human_size(result.read)} read"


def _place(outcome: Outcome) -> str:
    if outcome.backup:
        return f"at {plain(outcome.target)}:{plain(outcome.backup.folder)}"
    return f"on {plain(outcome.target)}"


def _failures(title: str, failures: tuple[Failure, ...]) -> Iterator[str]:
    if failures:
        yield from ("", title)
    for failure in failures:
        yield from _failure(failure)


def _failure(failure: Failure) -> Iterator[str]:
    yield f"    {plain(failure.step)}: {plain(failure.code)}: {plain(failure.message)}"
    if failure.advice:
        yield f"      → {plain(failure.advice)}"


def _name(name: str) -> str:
    return plain(name, NAME_LENGTH) or "(no name)"
