"""Which disk of a backup is meant. Pure."""

from collections.abc import Callable

from vmbackup.errors import ConfigError, RestoreError
from vmbackup.manifest import ImageDisk
from vmbackup.results import Backup

# What a word may be of a disk; what comes first counts first, since a name may look like any of the others.
MEANINGS: tuple[Callable[[ImageDisk], tuple[str, ...]], ...] = (
    lambda disk: (disk.device,),
    lambda disk: (str(disk.position),),
    lambda disk: (disk.original_uuid, disk.uuid),
    lambda disk: (disk.name,),
)


def choose(backup: Backup, wanted: str | None) -> ImageDisk:
    """Return the disk that is called `wanted`, by its device, position, UUID or name; the only one where that is None.

    Raises ConfigError, with the disks that there are, for none or several; RestoreError where the backup has no image.
    """
    image = backup.manifest.image
    if image is None:
        raise RestoreError(f"{backup.address} is a dump of the pool database, in which there are no disks")
    if wanted is None:
        if len(image.disks) == 1:
            return image.disks[0]
        raise ConfigError(f"{backup.address} has {len(image.disks)} disks", advice=_advice(image.disks))
    for meaning in MEANINGS:
        found = [disk for disk in image.disks if wanted and wanted in meaning(disk)]
        if len(found) == 1:
            return found[0]
        if found:
            raise ConfigError(
                f"{len(found)} disks of {backup.address} are called {wanted!r}", advice=_advice(image.disks)
            )
    raise ConfigError(f"{backup.address} has no disk {wanted!r}", advice=_advice(image.disks))


def _advice(disks: tuple[ImageDisk, ...]) -> str:
    if not disks:
        return "Its VM has none."
    lines = [
        f"position {disk.position}, {disk.device or 'no device yet'}, {disk.original_uuid}: {disk.name!r}"
        f" of {disk.virtual_size:,} bytes"
        for disk in disks
    ]
    return "\n".join(("Name one with --disk, by device, position, UUID or name:", *lines))
