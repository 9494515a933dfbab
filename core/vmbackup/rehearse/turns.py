"""Which backups are rehearsed next: from what the targets tell of earlier rehearsals, and the clock. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from vmbackup.manifest import Rehearsed
from vmbackup.results import Backup

WEEK = timedelta(days=7)
_NEVER = datetime.min.replace(tzinfo=UTC)


def newest(backups: Iterable[Backup]) -> dict[str, Backup]:
    """Return each VM's newest backup that no verification has found wrong, by the UUID of the VM."""
    found: dict[str, Backup] = {}
    for backup in sorted(backups, key=lambda backup: (backup.manifest.snapshot_time, backup.folder)):
        if backup.manifest.vm and backup.manifest.image and not backup.fault:
            found[backup.manifest.vm.uuid] = backup
    return found


def due(
    backups: Mapping[str, Backup], history: Mapping[str, Sequence[Rehearsed]], now: datetime, a_week: int | None
) -> list[Backup]:
    """Return which of these backups, by their VMs' UUIDs, are to be rehearsed now, longest not rehearsed first.

    `a_week` is how many rehearsals seven days shall see; None wants all. `history` is what came of earlier ones of each
    VM, whichever backups they were of; `now` is UTC.
    """
    moments = {uuid: [one.moment for one in history.get(uuid, ())] for uuid in backups}
    order = sorted(backups, key=lambda uuid: (max(moments[uuid], default=_NEVER), backups[uuid].address))
    if a_week is None:
        return [backups[uuid] for uuid in order]
    lately = sum(moment > now - WEEK for found in moments.values() for moment in found)
    fresh = {uuid for uuid, found in moments.items() if any(moment > now - WEEK for moment in found)}
    # Where there are fewer VMs than that, none is rehearsed twice.
    return [backups[uuid] for uuid in order if uuid not in fresh][: max(0, a_week - lately)]
