"""Whether a notifier is told of a run: from the report, the rules of its section, and what the last run came to."""

from collections.abc import Collection
from dataclasses import dataclass

from vmbackup.config import NotifierRules
from vmbackup.results import Report, Result


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a run came to, for those who compare: the result, and what went wrong, in order."""

    result: Result
    wrong: tuple[str, ...] = ()


def verdict_of(report: Report, vms: Collection[str] | None = None) -> Verdict | None:
    """Return what a run came to, judged by the VMs with these UUIDs alone, or by all.

    What is no single VM's concerns everybody: a failure or warning of the run, and its interruption. None where the run
    has neither such a failure nor one of the VMs.
    """
    results = [result for result in report.results if vms is None or result.uuid in vms]
    if vms is not None and not (results or report.failures or report.interrupted is not None):
        return None
    bad = sorted(result.uuid for result in results if not result.good)
    wrong = (*bad, *sorted({f"{failure.step}: {failure.code}" for failure in report.failures}))
    if report.interrupted is not None:
        return Verdict("interrupted", wrong)
    if wrong:
        return Verdict("failed", wrong)
    of_others = sum(len(result.warnings) for result in report.results if result not in results)
    return Verdict("warnings" if len(report.all_warnings) > of_others else "good")


def is_told(rules: NotifierRules, verdict: Verdict, last: Verdict | None) -> bool:
    """Say whether a run of that verdict is told; `last` is that of the job's run before, if there was one."""
    if rules.results and verdict.result not in rules.results:
        return False
    match rules.when:
        case "always":
            return True
        case "problem":
            return verdict.result != "good"
        case "failure":
            return verdict.result in {"failed", "interrupted"}
        case "change":
            return verdict != last
