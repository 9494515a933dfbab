"""Which backups may go. Pure: it looks at the backups alone, and never at the clock.

Only backups that were proven when they were made come in. What is not in the list is never removed.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from vmbackup.config import Keep
from vmbackup.results import Backup

Group = tuple[str, str, str, str]


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of one backup, and why."""

    backup: Backup
    keep: bool
    reason: str


def group_of(backup: Backup) -> Group:
    """Return what a rule counts by: target, pool, VM and job. A dump of the pool database is a group of its own."""
    manifest = backup.manifest
    return (backup.target, manifest.pool.uuid, manifest.vm.uuid if manifest.vm else "", manifest.job)


def counts_with(other: Backup, fresh: Backup) -> bool:
    """Whether the rule that a fresh backup goes by counts another one; an adopted one does not know its pool."""
    target, pool, vm, job = group_of(other)
    fresh_target, fresh_pool, fresh_vm, fresh_job = group_of(fresh)
    same = (target, vm, job) == (fresh_target, fresh_vm, fresh_job)
    return same and (pool == fresh_pool or other.manifest.adopted is not None)


def decide(backups: Iterable[Backup], keep: Keep, as_of: datetime) -> list[Decision]:
    """Decide about the backups of one or more groups, newest first within each.

    The newest `keep.last` stay, and the newest of each method stays until told: a job that turns to another method
    does not lose the only backups that hold all disks. What is dated after `as_of`, the time of the backup that has
    just been made, was made under a wrong clock: it stays, and takes nobody's place. So does what a verification has
    found wrong: it is no proven backup any more, but what is left of it may be the best that there is of its day. And
    so does what was adopted and has not been verified whole.
    """
    groups: dict[Group, list[Backup]] = defaultdict(list)
    for backup in sorted(backups, key=lambda backup: backup.manifest.adopted is not None):
        fresh = (group[0] for group in groups.values() if counts_with(backup, group[0]))
        groups[group_of(next(fresh, backup))].append(backup)
    return [decision for group in groups.values() for decision in _decide_group(group, keep, as_of)]


def displaced(backups: Iterable[Backup], keep: Keep) -> Backup | None:
    """Return which of one group's backups the next one takes the place of, if that is made as the newest was."""
    group = sorted(backups, key=_age)
    if not group:
        return None
    moment = group[-1].manifest.snapshot_time + timedelta(seconds=1)
    manifest = group[-1].manifest.model_copy(update={"snapshot_time": moment, "adopted": None})
    coming = Backup(group[-1].target, f"{group[-1].folder}-next", manifest)
    gone = [decision.backup for decision in decide([*group, coming], keep, moment) if not decision.keep]
    return min(gone, key=_age, default=None)


def _decide_group(backups: list[Backup], keep: Keep, as_of: datetime) -> Iterable[Decision]:
    future = [backup for backup in backups if backup.manifest.snapshot_time > as_of]
    yield from (Decision(backup, keep=True, reason="it is dated in the future") for backup in future)
    present = [backup for backup in backups if backup.manifest.snapshot_time <= as_of]
    wrong = [backup for backup in present if backup.fault]
    yield from (
        Decision(backup, keep=True, reason="its verification failed, which is for you to judge") for backup in wrong
    )
    present = [backup for backup in present if not backup.fault]
    unproven = [backup for backup in present if backup.unread]
    yield from (Decision(backup, keep=True, reason="it was adopted and never verified whole") for backup in unproven)
    methods: set[str] = set()
    present = [backup for backup in present if not backup.unread]
    for rank, backup in enumerate(sorted(present, key=_age, reverse=True), 1):
        first = backup.manifest.method not in methods
        methods.add(backup.manifest.method)
        if rank <= keep.last:
            yield Decision(backup, keep=True, reason=f"number {rank} of the last {keep.last}")
        elif first:
            yield Decision(backup, keep=True, reason=f"the only kept one by {backup.manifest.method}")
        else:
            yield Decision(backup, keep=False, reason=f"number {rank}, and the last {keep.last} are kept")


def _age(backup: Backup) -> tuple[float, str]:
    return (backup.manifest.snapshot_time.timestamp(), backup.folder)
