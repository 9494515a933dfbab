"""Which SR takes which disk of a backup. Pure."""

from collections.abc import Sequence

from vmbackup.disk_choice import MEANINGS
from vmbackup.errors import ConfigError
from vmbackup.images import Ova, OvaObject
from vmbackup.manifest import ImageDisk
from vmbackup.restore.wishes import Wishes
from vmbackup.xapi.surroundings import Storage, Surroundings


def place(disk: ImageDisk, disks: Sequence[ImageDisk], ova: Ova, pool: Surroundings, wishes: Wishes) -> Storage:
    """Return the SR for one of the disks, the first that is mapped to it, or else the one for all. Raises ConfigError.

    A mapping of disks counts before one of an SR that they were on.
    """
    own = [new for old, new in wishes.map_sr if disk in _called(old, disks)]
    of_sr = [new for old, new in wishes.map_sr if not _called(old, disks) and old in _sr_names(disk, ova)]
    return find_storage(pool, next(iter([*own, *of_sr]), wishes.sr))


def unplaced(disks: Sequence[ImageDisk], ova: Ova, wishes: Wishes) -> list[str]:
    """Return what the mappings name that no disk is called, and that none lies on."""
    known = frozenset().union(*(_sr_names(disk, ova) for disk in disks))
    return [old for old, _ in wishes.map_sr if old not in known and not _called(old, disks)]


def old_sr(disk: ImageDisk, ova: Ova) -> str:
    """Return the name of the SR that a disk was on; "" where the backup does not tell."""
    found = _old_sr(disk, ova)
    return found.text("name_label") if found else ""


def _old_sr(disk: ImageDisk, ova: Ova) -> OvaObject | None:
    uuids = {disk.uuid, disk.original_uuid}
    ref = next((found.sr for found in ova.disks if found.uuid in uuids), None)
    return next((found for found in ova.of_class("SR") if found.id == ref), None)


def _called(wanted: str, disks: Sequence[ImageDisk]) -> list[ImageDisk]:
    """Return the disks that are called so, by their devices, or else their positions, UUIDs or names."""
    found = ([disk for disk in disks if wanted and wanted in meaning(disk)] for meaning in MEANINGS)
    return next(filter(None, found), [])


def _sr_names(disk: ImageDisk, ova: Ova) -> frozenset[str]:
    sr = _old_sr(disk, ova)
    return frozenset((sr.text("uuid"), sr.text("name_label")) if sr else ()) - {""}


def find_storage(pool: Surroundings, wanted: str | None) -> Storage:
    """Return the SR called `wanted`, by UUID or name, or else the pool's default one. Raises ConfigError."""
    if wanted is None:
        found = [storage for storage in pool.storage if storage.ref == pool.default_sr]
        if not found:
            raise ConfigError("the pool has no default SR", advice="Name one with --sr NAME or --sr UUID.")
    else:
        found = [storage for storage in pool.storage if wanted in {storage.sr.uuid, storage.sr.name}]
    if len(found) != 1:
        raise ConfigError(
            f"{len(found)} SRs of the pool are called {wanted!r}",
            advice=f"Name it by its UUID: {', '.join(one.sr.uuid for one in found)}."
            if found
            else f"There are {', '.join(sorted(repr(one.sr.name) for one in pool.storage if not one.library))}.",
        )
    if found[0].library:
        raise ConfigError(f"the SR {found[0].sr.name!r} takes no disks of VMs", advice="Name another with --sr.")
    return found[0]
