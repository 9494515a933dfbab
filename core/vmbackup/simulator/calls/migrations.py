"""Calls that take a VM to another host, with its disks or without (xapi_vm_migrate.ml), never to another pool."""

from collections.abc import Mapping
from typing import Final

from vmbackup.simulator.calls.disk_copies import OF_A_COPY
from vmbackup.simulator.calls.storage import new_disk, remove_disk
from vmbackup.simulator.calls.table import Context, Table, optional
from vmbackup.simulator.database import Database
from vmbackup.simulator.disks import DiskSpec
from vmbackup.simulator.errors import XapiError
from vmbackup.simulator.operations import holding
from vmbackup.simulator.placement import unsuitable
from vmbackup.simulator.visibility import hosts_seeing

TABLE: Final = Table()


@TABLE.call("VM.pool_migrate", "VM ref", "host ref", "string->string map", asynchronous=True)
def pool_migrate(context: Context, vm: str, host: str, _options: dict[str, str]) -> None:
    """Move a running VM to another host of the pool that sees its disks."""
    db = context.pool.db
    with holding(context.pool, context.task, "VM", vm, "pool_migrate"):
        db.get("host", host)
        if error := unsuitable(db, vm, host):
            raise error
        db.set("VM", vm, resident_on=host)


@TABLE.call(
    "host.migrate_receive",
    "host ref",
    "network ref",
    optional("string->string map", {}),
    result="string->string map",
    asynchronous=True,
)
def migrate_receive(context: Context, host: str, network: str, _options: dict[str, str]) -> dict[str, str]:
    """Give what `VM.migrate_send` must be told to send a VM to a host over a network."""
    db = context.pool.db
    db.get("network", network)
    return {"host": host, "session_id": context.session, "master": context.pool.host["address"]} | {
        name: f"{db.get('host', host)['address']}/services/{name}" for name in ("SM", "xenops")
    }


@TABLE.call(
    "VM.migrate_send",
    "VM ref",
    "string->string map",
    "bool",
    "VDI ref->SR ref map",
    "VIF ref->network ref map",
    "string->string map",
    optional("VGPU ref->GPU_group ref map", {}),
    result="VM ref",
    asynchronous=True,
)
def migrate_send(
    context: Context,
    vm: str,
    destination: dict[str, str],
    _live: bool,  # noqa: FBT001  the wire's own parameter
    disks: dict[str, str],
    interfaces: dict[str, str],
    _options: dict[str, str],
    _gpus: dict[str, str],
) -> str:
    """Move a VM to another host, and those of its disks that are to lie elsewhere."""
    db = context.pool.db
    with holding(context.pool, context.task, "VM", vm, "migrate_send"):
        _assert_few_snapshots(db, vm)
        moves = {vdi: sr for vdi, sr in disks.items() if db.get("VDI", vdi)["SR"] != sr}
        host = destination.get("host", "")
        _assert_sees(db, vm, host, moves)
        for vdi, repository in moves.items():
            _move(context, vdi, repository)
        with db.change():
            for vif, network in interfaces.items():
                db.set("VIF", vif, network=network)
            if db.get("VM", vm)["power_state"] == "Running":
                db.set("VM", vm, resident_on=host)
    return vm


def _assert_few_snapshots(db: Database, vm: str) -> None:
    snapshots = [db.get("VM", one) for one in db.get("VM", vm)["snapshots"]]
    if any(one["power_state"] == "Suspended" for one in snapshots):
        raise XapiError("VM_HAS_CHECKPOINT", vm)
    if len(snapshots) > 1:
        raise XapiError("VM_HAS_TOO_MANY_SNAPSHOTS", vm)


def _assert_sees(db: Database, vm: str, host: str, moves: Mapping[str, str]) -> None:
    """Raise XapiError `VM_REQUIRES_SR [vm; sr]` when a host would not see the VM's disks where they then lie."""
    db.get("host", host)
    drives = [db.get("VBD", vbd) for vbd in db.get("VM", vm)["VBDs"]]
    for drive in drives:
        if db.has("VDI", drive["VDI"]):
            repository = moves.get(drive["VDI"], db.get("VDI", drive["VDI"])["SR"])
            if host not in hosts_seeing(db, [repository]):
                raise XapiError("VM_REQUIRES_SR", vm, repository)


def _move(context: Context, vdi: str, repository: str) -> None:
    """Copy a disk to another repository, put the copy in its place, and destroy it."""
    pool, db = context.pool, context.pool.db
    with holding(pool, context.task, "VDI", vdi, "mirror"), db.change():
        source = db.get("VDI", vdi)
        fields = {name: source[name] for name in OF_A_COPY} | {"SR": repository}
        made = new_disk(pool, fields, DiskSpec(source["virtual_size"], source=pool.disks.path(source["uuid"])))
        for vbd in list(source["VBDs"]):
            db.set("VBD", vbd, VDI=made)
        remove_disk(pool, vdi)
