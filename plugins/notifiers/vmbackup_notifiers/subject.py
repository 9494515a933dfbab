"""What came of a run in a line that can be read in a list of many: the subject of a mail, the title of a message."""

from typing import Final

from vmbackup import Report, Result, plain

_NAME_LENGTH: Final = 80
# Loud where somebody has to do something.
_WORDS: Final[dict[Result, str]] = {
    "good": "good",
    "warnings": "warnings",
    "failed": "FAILED",
    "interrupted": "INTERRUPTED",
}


def subject(report: Report) -> str:
    """Return `FAILED weekend: 1 of 14 VMs on pool campus`, or as fits; a run that failed counts what failed."""
    job, pool = plain(report.run.job, _NAME_LENGTH), plain(report.run.pool.name, _NAME_LENGTH)
    where = f" on pool {pool}" if pool else ""
    return f"{_WORDS[report.result]} {job}: {_count(report)}{where}"


def _count(report: Report) -> str:
    total = max(len(report.results), sum(one.taken for one in report.inventory))
    if report.result == "interrupted":
        return f"{report.succeeded} of {total} VMs good"
    if report.result != "failed":
        return f"{report.succeeded} of {total} VMs"
    bad = sum(not result.good for result in report.results)
    counts = [f"{bad} of {total} VMs"] if bad else []
    if others := len(report.failures):
        counts.append(f"{others} {'failure' if others == 1 else 'failures'} of the run")
    return " and ".join(counts)
