"""The memory of a VM as an image on storage: where it goes, and making and removing it (xapi_vm_snapshot.ml)."""

import secrets

from vmbackup.simulator.calls.storage import new_disk, remove_disk
from vmbackup.simulator.database import Database
from vmbackup.simulator.disks import DiskSpec
from vmbackup.simulator.errors import XapiError
from vmbackup.simulator.pool import Pool
from vmbackup.simulator.schema import NULL

_SHARE = 0.005  # of the memory that is no zeros, so that images stay small


def save_memory(pool: Pool, vm: str) -> str:
    """Make a VM's memory image; returns its VDI. Raises XapiError `VM_NO_SUSPEND_SR [vm]`, or for want of space."""
    record = pool.db.get("VM", vm)
    size = record["memory_static_max"]
    fields = {
        "name_label": "Suspend image",
        "name_description": f"Suspend image of {record['name_label']}",
        "SR": _repository(pool.db, vm),
        "virtual_size": size,
        "type": "suspend",
    }
    return new_disk(pool, fields, DiskSpec(size, seed=secrets.randbits(32), fill=_SHARE))


def _repository(db: Database, vm: str) -> str:
    record = db.get("VM", vm)
    (pool,) = db.table("pool").values()
    host = db.table("host").get(record["resident_on"])
    for repository in (record["suspend_SR"], pool["suspend_image_SR"], host["suspend_image_sr"] if host else NULL):
        if db.has("SR", repository):
            return str(repository)
    raise XapiError("VM_NO_SUSPEND_SR", vm)


def discard_memory(pool: Pool, vm: str) -> None:
    """Destroy a VM's memory image, if it has one."""
    image = pool.db.get("VM", vm)["suspend_VDI"]
    pool.db.set("VM", vm, suspend_VDI=NULL)
    if pool.db.has("VDI", image):
        remove_disk(pool, image)
