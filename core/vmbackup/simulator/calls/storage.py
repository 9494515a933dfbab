"""Calls on virtual disks and storage repositories (xapi_vdi.ml, xapi_sr.ml)."""

import uuid as uuids
from typing import Final

from vmbackup.simulator import guest_agent
from vmbackup.simulator.branching import assert_can_branch, branch
from vmbackup.simulator.calls.records import constructor
from vmbackup.simulator.calls.table import Context, Table, optional
from vmbackup.simulator.database import Database, Record
from vmbackup.simulator.disks import DiskSpec
from vmbackup.simulator.errors import XapiError
from vmbackup.simulator.operations import holding
from vmbackup.simulator.pool import Pool
from vmbackup.simulator.provisioning import account, assert_room, measure, occupied, when_made

TABLE: Final = Table()


def new_disk(pool: Pool, fields: Record, spec: DiskSpec) -> str:
    """Make a VDI with its file. Raises XapiError when it does not fit into its repository."""
    uuid = fields.get("uuid") or str(uuids.uuid4())
    db = pool.db
    assert_room(db, fields["SR"], when_made(db, fields["SR"], spec.size))
    pool.disks.make(uuid, spec)
    with db.change():
        vdi = db.create("VDI", {**fields, "uuid": uuid, "location": uuid, "managed": True})
        measure(db, pool.disks, vdi)
    return vdi


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
            assert_can_branch(pool.db, source)
            pool.disks.snapshot(source["uuid"], uuid, source["virtual_size"])
            pool.guests.write()
            own = {"uuid": uuid, "is_a_snapshot": True, "snapshot_of": vdi, "snapshot_time": pool.clock.now()}
            copy = branch(pool, vdi, own)
        guest_agent.remember(pool, vdi, uuid)
        return copy


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
        account(pool.db, record["SR"])
    pool.disks.destroy(record["uuid"])
    pool.coalescer.wake(pool.start, pool.stopping)


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
        for vdi in pool.db.get("SR", repository)["VDIs"]:
            record = pool.db.get("VDI", vdi)
            missing = not pool.disks.path(record["uuid"]).exists()
            used = 0 if missing else occupied(pool.db, pool.disks, record)
            pool.db.set("VDI", vdi, physical_utilisation=used, missing=missing)
        account(pool.db, repository)
    pool.coalescer.wake(pool.start, pool.stopping)
