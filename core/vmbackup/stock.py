"""What lies on a target when a run ends: how much fits there still, and which backups of each VM there are."""

from collections.abc import Iterable, Iterator, Mapping

from vmbackup.config import Keep
from vmbackup.lane import Lane
from vmbackup.models import VM
from vmbackup.results import Backup, Kept
from vmbackup.retention import displaced


def free(lane: Lane) -> int | None:
    """Return how many bytes may still be stored, or None where that is not to be known: no backup hangs on it."""
    try:
        return lane.do(lambda repository: repository.target.free())
    except (Exception, SystemExit):  # noqa: BLE001 - a target that fails here has failed, or fails, at something that matters
        return None


def kept(
    target: str, job: str, backups: Iterable[Backup], vms: Iterable[VM], keeps: Mapping[str, Keep]
) -> Iterator[Kept]:
    """Say for each VM what a job keeps of it on a target by its rule in `keeps`, whatever other jobs keep there.

    What a verification has found wrong is no copy, and what was adopted is one once it was verified.
    """
    good = [backup for backup in backups if backup.manifest.job == job and not (backup.fault or backup.unread)]
    for vm in vms:
        own = [backup for backup in good if backup.manifest.vm and backup.manifest.vm.uuid == vm.uuid]
        leaving = displaced(own, keeps[vm.uuid])
        whole = [result.moment for backup in own if (result := backup.proven("full"))]
        yield Kept(
            target=target,
            vm=vm.name,
            uuid=vm.uuid,
            copies=len(own),
            newest=max((backup.manifest.snapshot_time for backup in own), default=None),
            verified=max(whole, default=None),
            leaving=leaving.manifest.snapshot_time if leaving else None,
        )
