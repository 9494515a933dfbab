"""Taking away from a target what a job keeps no longer."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from vmbackup.config import Keep
from vmbackup.errors import VmbackupError
from vmbackup.lane import Lane
from vmbackup.results import Backup, Failure, Removal
from vmbackup.retention import Decision, counts_with, decide


def prune(
    lane: Lane, existing: Sequence[Backup], fresh: Iterable[Backup], keeps: Mapping[str, Keep]
) -> Iterator[Removal]:
    """Remove what is kept no longer, beside the `fresh` backups alone: this run has proven them on this very target.

    `existing` are all backups there, `keeps` has the rule for each VM by its UUID, and under "" that for dumps of the
    pool database. Yields each removal.
    """
    for backup in fresh:
        group = [other for other in existing if counts_with(other, backup)]
        keep = keeps[backup.manifest.vm.uuid if backup.manifest.vm else ""]
        for decision in decide(group, keep, backup.manifest.snapshot_time):
            if not decision.keep:
                yield _remove(lane, decision)


def _remove(lane: Lane, decision: Decision) -> Removal:
    failure = None
    try:
        lane.do(lambda repository: repository.remove(decision.backup))
    except VmbackupError as error:
        failure = Failure.of("retention", error)
    return Removal(lane.label, decision.backup.folder, decision.reason, failure)
