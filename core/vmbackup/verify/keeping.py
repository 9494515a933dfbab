"""Keeping what a verification found beside the manifest, a file each, for whoever verifies, restores or prunes next."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from vmbackup.manifest import LEVELS, VERIFIED, Verified, WrongFile, dated_name
from vmbackup.repository import Repository
from vmbackup.results import Backup
from vmbackup.verify.verdict import Verdict
from vmbackup.version import __version__


def result_of(verdict: Verdict, now: datetime) -> Verified | None:
    """Return what is to be kept of a verdict: nothing where there is no backup any more, or it could not be read.

    `now` is UTC. A result is dated behind those that are kept already, whatever the clock says.
    """
    if verdict.word in {"gone", "unread"}:
        return None
    latest = max((one.moment for one in verdict.backup.verified), default=None)
    moment = max(now, latest + timedelta(seconds=1)) if latest else now
    return Verified(
        generation=verdict.backup.manifest.generation,
        moment=moment.replace(microsecond=0),
        level=verdict.depth.level,
        share=verdict.depth.share,
        read=verdict.read,
        seconds=round(verdict.seconds, 1),
        written_by=f"vmbackup {__version__}",
        finished=not verdict.unfinished,
        wrong=tuple(WrongFile(file=one.file, message=one.message) for one in verdict.wrong if not one.unread),
    )


def superseded(new: Verified, kept: Iterable[Verified]) -> list[Verified]:
    """Return the older results that are told by the new one too, so that their number stays small.

    The last time that a backup was wrong stays known when it is good again, for that is odd.
    """
    return [
        old
        for old in kept
        if LEVELS.index(old.level) <= LEVELS.index(new.level)
        and (not (old.finished or old.wrong) or (new.finished and bool(old.wrong) == bool(new.wrong)))
    ]


def keep(result: Verified, backup: Backup, repository: Repository) -> None:
    """Store a result, and then remove those that it supersedes.

    Raises TargetError where the target takes nothing, or the backup has gone.
    """
    repository.store_later_fact(backup, dated_name(VERIFIED, result.moment), result)
    for old in superseded(result, backup.verified):
        repository.target.delete(f"{backup.folder}/{dated_name(VERIFIED, old.moment)}")
