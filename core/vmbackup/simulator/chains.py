"""The chains of VHDs under the disks: hidden base copies that snapshots share (sm: vhdutil.py, cleanup.py)."""

import uuid as uuids

from vmbackup.simulator.database import Database, Record
from vmbackup.simulator.errors import XapiError

PARENT = "vhd-parent"
_LONGEST = 30  # VHDs in a chain (sm: MAX_CHAIN_SIZE)


def parent_of(db: Database, disk: Record) -> str | None:
    """Give the ref of the base copy under a disk, or None."""
    uuid = disk["sm_config"].get(PARENT)
    found = db.find("VDI", uuid=uuid) if uuid else []
    return found[0] if found else None


def depth(db: Database, disk: Record) -> int:
    """Count the VHDs of a disk's chain, its own included."""
    parent = parent_of(db, disk)
    return 1 if parent is None else 1 + depth(db, db.get("VDI", parent))


def root(db: Database, vdi: str) -> str:
    """Give the ref of the first VHD of a disk's chain."""
    parent = parent_of(db, db.get("VDI", vdi))
    return vdi if parent is None else root(db, parent)


def assert_not_too_long(db: Database, disk: Record) -> None:
    """Raise XapiError `SR_BACKEND_FAILURE_109` when a disk's chain can have no more."""
    if depth(db, disk) >= _LONGEST:
        raise XapiError("SR_BACKEND_FAILURE_109", "", "The snapshot chain is too long", "")


def base_copy(disk: Record) -> Record:
    """Give the record of the base copy that takes a disk's place in its chain, and with it what the disk takes."""
    config = {PARENT: disk["sm_config"][PARENT]} if PARENT in disk["sm_config"] else {}
    uuid = str(uuids.uuid4())
    return {
        "uuid": uuid,
        "location": uuid,
        "name_label": "base copy",
        "SR": disk["SR"],
        "virtual_size": disk["virtual_size"],
        "physical_utilisation": disk["physical_utilisation"],
        "type": disk["type"],
        "managed": False,
        "read_only": True,
        "sm_config": config,
    }


def put_on(config: dict[str, str], base: str) -> dict[str, str]:
    """Give a disk's `sm_config` with another base copy (a uuid) under it, or with none when that is empty."""
    rest = {key: value for key, value in config.items() if key != PARENT}
    return {**rest, PARENT: base} if base else rest


def merged(db: Database) -> list[tuple[Record, str | None]]:
    """Take the base copies out of the records that no two disks share; gives each with the disk that it went into.

    A base copy without children goes, one with a single child is merged into it, unless that is a disk whose
    `other_config` says `leaf-coalesce` is `false`.
    """
    gone: list[tuple[Record, str | None]] = []
    with db.change():
        while found := _next(db):
            base, child = found
            record = dict(db.get("VDI", base))
            if child is not None:
                config = put_on(db.get("VDI", child)["sm_config"], record["sm_config"].get(PARENT, ""))
                db.set("VDI", child, sm_config=config)
            db.delete("VDI", base)
            gone.append((record, child))
    return gone


def _next(db: Database) -> tuple[str, str | None] | None:
    children: dict[str, list[str]] = {}
    for ref, disk in db.table("VDI").items():
        if PARENT in disk["sm_config"]:
            children.setdefault(disk["sm_config"][PARENT], []).append(ref)
    for ref, disk in db.table("VDI").items():
        own = children.get(disk["uuid"], [])
        if not disk["managed"] and disk["name_label"] == "base copy" and len(own) < 2:  # noqa: PLR2004  shared by two
            child = own[0] if own else None
            if child is None or _may_merge(db.get("VDI", child)):
                return ref, child
    return None


def _may_merge(child: Record) -> bool:
    return not (child["managed"] and child["other_config"].get("leaf-coalesce") == "false")
