"""Calls that copy and resize virtual disks (xapi_vdi.ml)."""

import uuid as uuids
from typing import Final

from vmbackup.simulator.branching import assert_can_branch, branch
from vmbackup.simulator.calls.storage import assert_plugged, new_disk
from vmbackup.simulator.calls.table import Context, Table, optional
from vmbackup.simulator.disks import DiskSpec
from vmbackup.simulator.errors import XapiError
from vmbackup.simulator.operations import holding
from vmbackup.simulator.provisioning import assert_room, is_thick, measure
from vmbackup.simulator.schema import NULL

TABLE: Final = Table()
OF_A_COPY = (
    "name_label",
    "name_description",
    "virtual_size",
    "type",
    "sharable",
    "other_config",
    "xenstore_data",
    "tags",
)


def take_clone(context: Context, vdi: str) -> str:
    """Make a writable disk that shares what the other one holds."""
    pool = context.pool
    uuid = str(uuids.uuid4())
    with holding(pool, context.task, "VDI", vdi, "clone"):
        source = pool.db.get("VDI", vdi)
        with holding(pool, context.task, "SR", source["SR"], "vdi_clone"):
            assert_can_branch(pool.db, source)
            pool.disks.copy(source["uuid"], uuid, source["virtual_size"])
            return branch(pool, vdi, {"uuid": uuid})


def take_copy(context: Context, vdi: str, repository: str) -> str:
    """Make a disk of its own with the same contents in a repository."""
    pool = context.pool
    assert_plugged(pool.db, repository)
    with holding(pool, context.task, "VDI", vdi, "copy"):
        source = pool.db.get("VDI", vdi)
        fields = {name: source[name] for name in OF_A_COPY} | {"SR": repository}
        spec = DiskSpec(source["virtual_size"], source=pool.disks.path(source["uuid"]))
        with holding(pool, context.task, "SR", repository, "vdi_create"):
            assert_room(pool.db, repository, source["physical_utilisation"])
            return new_disk(pool, fields, spec)


@TABLE.call("VDI.clone", "VDI ref", optional("string->string map", {}), result="VDI ref", asynchronous=True)
def clone(context: Context, vdi: str, _driver_params: dict[str, str]) -> str:
    """Clone one disk."""
    return take_clone(context, vdi)


@TABLE.call(
    "VDI.copy",
    "VDI ref",
    "SR ref",
    optional("VDI ref", NULL),
    optional("VDI ref", NULL),
    result="VDI ref",
    asynchronous=True,
)
def copy(context: Context, vdi: str, repository: str, base: str, into: str) -> str:
    """Copy one disk into a repository, or over another disk; of a base only the record is looked at."""
    pool = context.pool
    if base != NULL:
        pool.db.get("VDI", base)
    if into == NULL:
        return take_copy(context, vdi, repository)
    source, target = pool.db.get("VDI", vdi), pool.db.get("VDI", into)
    if target["read_only"] or target["is_a_snapshot"]:
        raise XapiError("VDI_READONLY", into)
    if target["virtual_size"] < source["virtual_size"]:
        raise XapiError("VDI_TOO_SMALL", into, str(source["virtual_size"]))
    with holding(pool, context.task, "VDI", vdi, "copy"), holding(pool, context.task, "VDI", into, "copy"):
        pool.disks.copy(source["uuid"], target["uuid"], target["virtual_size"])
        measure(pool.db, pool.disks, into)
    return into


@TABLE.call("VDI.resize", "VDI ref", "int", asynchronous=True)
def resize(context: Context, vdi: str, size: int) -> None:
    """Make a disk larger; `size` in bytes."""
    pool = context.pool
    with holding(pool, context.task, "VDI", vdi, "resize"):
        record = pool.db.get("VDI", vdi)
        with holding(pool, context.task, "SR", record["SR"], "vdi_resize"):
            if size < record["virtual_size"]:
                raise XapiError("SR_BACKEND_FAILURE_79", "", "VDI Invalid size [opterr=shrinking not allowed]", "")
            if is_thick(pool.db, record["SR"]):
                assert_room(pool.db, record["SR"], size - record["virtual_size"])
            pool.disks.resize(record["uuid"], size)
            with pool.db.change():
                pool.db.set("VDI", vdi, virtual_size=size)
                measure(pool.db, pool.disks, vdi)
