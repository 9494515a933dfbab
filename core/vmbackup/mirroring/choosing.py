"""What a mirror lacks, and what it need not keep. Pure."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator

from vmbackup.config import MirrorRules
from vmbackup.results import Backup


def lacking(backups: Iterable[Backup], held: Collection[str], rules: MirrorRules) -> Iterator[Backup]:
    """Yield the backups to copy, newest first: those that are not there, and not to change soon.

    What a mirror need not keep is not copied either.
    """
    ordered = sorted(backups, key=lambda backup: (backup.manifest.snapshot_time, backup.folder), reverse=True)
    gone = set(surplus({*held, *(backup.folder for backup in ordered)}, rules))
    for backup in ordered:
        soon = rules.wait and backup.manifest.later is not None
        if backup.folder not in held and backup.folder not in gone and not soon:
            yield backup


def surplus(held: Iterable[str], rules: MirrorRules) -> list[str]:
    """Return the folders that are more than the mirror keeps of each VM, oldest first: their names begin with times."""
    if rules.keep is None:
        return []
    return [folder for group in _groups(held) for folder in group[: -rules.keep.last]]


def vanished(held: Iterable[str], there: Collection[str], rules: MirrorRules) -> list[str]:
    """Return the folders that are gone from the targets, if the mirror is to follow them; never a VM's last one."""
    if not rules.delete:
        return []
    return [folder for group in _groups(held) for folder in group[:-1] if folder not in there]


def _groups(folders: Iterable[str]) -> Iterator[list[str]]:
    """Yield the folders of each VM, oldest first."""
    groups: dict[str, list[str]] = defaultdict(list)
    for folder in folders:
        groups[folder.rpartition("/")[0]].append(folder)
    return (sorted(group) for group in groups.values())
