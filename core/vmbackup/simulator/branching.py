"""Putting a new leaf into a disk's chain: what a snapshot and a clone do (sm: FileSR.py, LVHDSR.py)."""

from typing import Final

from vmbackup.simulator.chains import PARENT, assert_not_too_long, base_copy, put_on
from vmbackup.simulator.database import Database, Record
from vmbackup.simulator.pool import Pool
from vmbackup.simulator.provisioning import account, assert_room, is_thick, occupied, when_made

_COPIED: Final = (
    "name_label",
    "name_description",
    "SR",
    "virtual_size",
    "type",
    "sharable",
    "read_only",
    "other_config",
    "xenstore_data",
    "tags",
    "cbt_enabled",
    "on_boot",
)


def assert_can_branch(db: Database, disk: Record) -> None:
    """Raise XapiError when a disk's chain can have no new leaf: it is too long, or there is no space."""
    assert_not_too_long(db, disk)
    assert_room(db, disk["SR"], when_made(db, disk["SR"], disk["virtual_size"]))


def branch(pool: Pool, vdi: str, own: Record) -> str:
    """Record a copy of a disk whose file is there; `own` has its uuid and what else it does not take from the disk.

    Both lie on one base copy from now on; a snapshot, to which nobody writes, shares the one that it has.
    Returns the copy's ref.
    """
    db = pool.db
    with db.change():
        source = db.get("VDI", vdi)
        base = source["sm_config"].get(PARENT, "") if source["is_a_snapshot"] else ""
        changed = []
        if not base:
            fields = base_copy(source)
            base = str(fields["uuid"])
            pool.disks.link(own["uuid"], base)
            changed = [db.create("VDI", fields), vdi]
            db.set("VDI", vdi, sm_config=put_on(source["sm_config"], base))
        kept = {name: source[name] for name in _COPIED} | {"location": own["uuid"], "managed": True}
        copy = db.create("VDI", {**kept, "sm_config": put_on(source["sm_config"], base), **own})
        _measure(pool, [copy, *changed])
        account(db, source["SR"])
        return copy


def _measure(pool: Pool, vdis: list[str]) -> None:
    """Write down what the disks of a branch take: on thin storage the leaves hold nothing of their own yet."""
    db = pool.db
    for vdi in vdis:
        disk = db.get("VDI", vdi)
        if is_thick(db, disk["SR"]):
            db.set("VDI", vdi, physical_utilisation=occupied(db, pool.disks, disk))
        elif disk["managed"]:
            db.set("VDI", vdi, physical_utilisation=when_made(db, disk["SR"], disk["virtual_size"]))
