"""Calls on virtual disks and storage repositories (xapi_vdi.ml, xapi_sr.ml)."""

import uuid as uuids
from typing import Final

from vmbackup.simulator.calls.records import constructor
from vmbackup.simulator.calls.table import Context, Table, optional
from vmbackup.simulator.clock import now
from vmbackup.simulator.database import Database, Record
from vmbackup.simulator.disks import DiskSpec
from vmbackup.simulator.errors import XapiError
from vmbackup.simulator.operations import holding
from vmbackup.simulator.pool import Pool

TABLE: Final = Table()
_COPIED = [
    "name_label",
    "name_description",
    "SR",
    "virtual_size",
    "type",
    "sharable",
    "read_only",
    "other_config",
    "xenstore_data",
    "sm_config",
    "tags",
    "cbt_enabled",
    "on_boot",
]


def new_disk(pool: Pool, fields: Record, spec: DiskSpec) -> str:
    """Make a VDI with its file."""
    uuid = fields.get("uuid") or str(uuids.uuid4())
    pool.disks.make(uuid, spec)
    used = pool.disks.path(uuid).stat().st_blocks * 512
    common = {"uuid": uuid, "location": uuid, "managed": True, "physical_utilisation": used}
    return pool.db.create("VDI", {**fields, **common})


def assert_plugged(db: Database, repository: str) -> None:
    """Raise XapiError `SR_HAS_NO_PBDS [sr]` when no host sees the repository."""
    pbds = [db.get("PBD", pbd) for pbd in db.get("SR", repository)["PBDs"]]
    if not any(pbd["currently_attached"] for pbd in pbds):
        raise XapiError("SR_HAS_NO_PBDS", repository)


@TABLE.call("VDI.create", "record VDI", result="VDI ref", asynchronous=True)
def create(context: Context, given: Record) -> str:
    """Make an empty disk."""
    pool = context.pool
    fields = constructor("VDI", given)
    assert_plugged(pool.db, fields["SR"])
    if pool.db.get("SR", fields["SR"])["content_type"] == "iso":
        raise XapiError("SR_OPERATION_NOT_SUPPORTED", fields["SR"])
    if fields["type"] == "cbt_metadata":
        raise XapiError("VDI_INCOMPATIBLE_TYPE", "", "CBT metadata")
    if fields["virtual_size"] <= 0:
        raise XapiError("SR_BACKEND_FAILURE_79", "", "VDI Invalid size [opterr=must be positive]", "")
    with holding(pool, context.task, "SR", fields["SR"], "vdi_create"):
        return new_disk(pool, fields, DiskSpec(fields["virtual_size"]))


def take_snapshot(context: Context, vdi: str) -> str:
    """Copy a disk as it is at this instant and record where it came from; the guests go on writing right after."""
    pool = context.pool
    uuid = str(uuids.uuid4())
    with holding(pool, context.task, "VDI", vdi, "snapshot"):
        source = pool.db.get("VDI", vdi)
        with holding(pool, context.task, "SR", source["SR"], "vdi_snapshot"):
            pool.disks.snapshot(source["uuid"], uuid, source["virtual_size"])
            pool.guests.write()
            fields = {name: source[name] for name in _COPIED}
            own = {"uuid": uuid, "location": uuid, "managed": True, "is_a_snapshot": True, "snapshot_of": vdi}
            used = pool.disks.path(uuid).stat().st_blocks * 512
            return pool.db.create("VDI", {**fields, **own, "snapshot_time": now(), "physical_utilisation": used})


@TABLE.call("VDI.snapshot", "VDI ref", optional("string->string map", {}), result="VDI ref", asynchronous=True)
def snapshot(context: Context, vdi: str, _driver_params: dict[str, str]) -> str:
    """Snapshot one disk, attached or not."""
    return take_snapshot(context, vdi)


def remove_disk(pool: Pool, vdi: str) -> None:
    """Remove a disk, its file and the drives that refer to it."""
    with pool.db.change():
        record = pool.db.get("VDI", vdi)
        for vbd in list(record["VBDs"]):
            pool.db.delete("VBD", vbd)
        pool.db.delete("VDI", vdi)
    pool.disks.destroy(record["uuid"])


@TABLE.call("VDI.destroy", "VDI ref", asynchronous=True)
def destroy(context: Context, vdi: str) -> None:
    """Destroy a disk that nothing holds."""
    with holding(context.pool, context.task, "VDI", vdi, "destroy"):
        repository = context.pool.db.get("VDI", vdi)["SR"]
        with holding(context.pool, context.task, "SR", repository, "vdi_destroy"):
            remove_disk(context.pool, vdi)


@TABLE.call("SR.scan", "SR ref", asynchronous=True)
def scan(context: Context, repository: str) -> None:
    """Look at what the repository's disks take."""
    pool = context.pool
    assert_plugged(pool.db, repository)
    with holding(pool, context.task, "SR", repository, "scan"), pool.db.change():
        total = 0
        for vdi in pool.db.get("SR", repository)["VDIs"]:
            path = pool.disks.path(pool.db.get("VDI", vdi)["uuid"])
            used = path.stat().st_blocks * 512 if path.exists() else 0
            pool.db.set("VDI", vdi, physical_utilisation=used, missing=not path.exists())
            total += used
        pool.db.set("SR", repository, physical_utilisation=total)
