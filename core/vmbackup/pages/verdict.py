"""What came of runs and VMs, in a word and a colour: pure decisions that every page shares."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from vmbackup.results import Report, VMResult

Kind = Literal["good", "warned", "failed"]
# From the best to the worst.
KINDS: tuple[Kind, ...] = ("good", "warned", "failed")


@dataclass(frozen=True, slots=True)
class Verdict:
    """How something went: `kind` chooses its colour and mark, `words` say it."""

    kind: Kind
    words: str


def of_run(report: Report) -> Verdict:
    """Say how a run went. What was interrupted or did nothing is never called good."""
    if report.interrupted is not None:
        return Verdict("failed", f"Interrupted by signal {report.interrupted}")
    failed = sum(not result.good for result in report.results)
    if failed:
        return Verdict("failed", f"{failed} of {counted(len(report.results), 'VM')} failed")
    if report.failures:
        return Verdict("failed", counted(len(report.failures), "failure") if report.results else "Failed")
    if not report.results:
        return Verdict("warned", "Nothing to do")
    if report.all_warnings:
        return Verdict("warned", f"Good, {counted(len(report.all_warnings), 'warning')}")
    return Verdict("good", "All good")


def of_vm(result: VMResult) -> Verdict:
    """Say what came of one VM."""
    if result.good:
        return Verdict("warned", "good, warned") if result.warnings else Verdict("good", "good")
    if result.partly:
        stored = sum(outcome.backup is not None for outcome in result.outcomes)
        return Verdict("failed", f"on {stored} of {len(result.outcomes)}")
    return Verdict("failed", "failed")


def worst(kinds: Iterable[Kind]) -> Kind:
    """Return the worst of some kinds, of which there is one at least."""
    return max(kinds, key=KINDS.index)


def counted(number: int, what: str) -> str:
    """Return a number and a word in its right form: `1 VM`, `2 VMs`."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
