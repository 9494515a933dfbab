"""What came of a run, in one line. Pure."""

from vmbackup.cli.output import duration
from vmbackup.results import Report


def closing_words(report: Report) -> tuple[str, str]:
    """Return in two words or three whether all is good, and the figures."""
    word = "stopped" if report.interrupted else "not all good" if report.failed else "all good"
    removed = sum(removal.failure is None for removal in report.removals)
    copied = sum(one.did == "copied" and one.failure is None for one in report.mirrored)
    copies = f" {copied} copies on mirrors," if report.mirrored else ""
    partly = sum(result.partly for result in report.results)
    some = f" {partly} on some targets only," if partly else ""
    seconds = (report.finished - report.run.started).total_seconds()
    return word, (
        f"{report.succeeded} good,{some} {report.failed - partly} failed, {len(report.all_warnings)} warnings,"
        f"{copies} {removed} old backups removed, {duration(seconds)}"
    )
