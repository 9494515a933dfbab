"""Which SR takes which disk of a backup. Pure."""

from collections.abc import Iterable

from vmbackup.disk_choice import MEANINGS
from vmbackup.errors import ConfigError
from vmbackup.images import Ova, OvaObject
from vmbackup.manifest import ImageDisk
from vmbackup.restore.wishes import Wishes
from vmbackup.xapi.surroundings import Storage, Surroundings


def place(disk: ImageDisk, ova: Ova, pool: Surroundings, wishes: Wishes) -> Storage:
    """Return the SR for a disk: that of the first mapping that fits it, else the one for all. Raises ConfigError."""
    names = _names_of(disk, ova)
    return find_storage(pool, next((new for old, new in wishes.map_sr if old in names), wishes.sr))


def unplaced(disks: Iterable[ImageDisk], ova: Ova, wishes: Wishes) -> list[str]:
    """Return what the mappings name that no disk is called, and that none lies on."""
    known = frozenset().union(*(_names_of(disk, ova) for disk in disks))
    return [old for old, _ in wishes.map_sr if old not in known]


def old_sr(disk: ImageDisk, ova: Ova) -> str:
    """Return the name of the SR that a disk was on; "" where the backup does not tell."""
    found = _old_sr(disk, ova)
    return found.text("name_label") if found else ""


def _old_sr(disk: ImageDisk, ova: Ova) -> OvaObject | None:
    uuids = {disk.uuid, disk.original_uuid}
    ref = next((found.sr for found in ova.disks if found.uuid in uuids), None)
    return next((found for found in ova.of_class("SR") if found.id == ref), None)


def _names_of(disk: ImageDisk, ova: Ova) -> frozenset[str]:
    """Return what a mapping may call a disk: each of its own names, and those of the SR that it was on."""
    sr = _old_sr(disk, ova)
    own = [name for meaning in MEANINGS for name in meaning(disk)]
    return frozenset([*own, *((sr.text("uuid"), sr.text("name_label")) if sr else ())]) - {""}


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
            advice="Name it by its UUID."
            if found
            else f"There are {', '.join(sorted(repr(one.sr.name) for one in pool.storage if not one.library))}.",
        )
    if found[0].library:
        raise ConfigError(f"the SR {found[0].sr.name!r} takes no disks of VMs", advice="Name another with --sr.")
    return found[0]
