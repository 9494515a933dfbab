"""Calls on VMs: making, snapshotting, marking and destroying them (xapi_vm.ml, xapi_vm_snapshot.ml)."""

from typing import Final

from vmbackup.simulator import chips, macs, messages, operations
from vmbackup.simulator.calls.records import constructor
from vmbackup.simulator.calls.storage import take_snapshot
from vmbackup.simulator.calls.table import Context, Table, optional
from vmbackup.simulator.calls.vm_copies import copied_disks
from vmbackup.simulator.database import Record
from vmbackup.simulator.errors import XapiError
from vmbackup.simulator.operations import holding
from vmbackup.simulator.pool import Pool
from vmbackup.simulator.schema import NULL
from vmbackup.simulator.settle import settle
from vmbackup.simulator.visibility import any_seeing, repositories
from vmbackup.simulator.vm_copy import copy_belongings, snapshot_fields

TABLE: Final = Table()


@TABLE.call("VM.create", "record VM", result="VM ref", asynchronous=True)
def create(context: Context, given: Record) -> str:
    """Make a halted VM without drives and interfaces."""
    fields = constructor("VM", given)
    fields.update(power_state="Halted", suspend_VDI=NULL, domid=-1)
    now = context.pool.clock.now()
    if macs.SEED not in fields["other_config"]:
        fields["other_config"] = macs.seeded(fields["other_config"])
    fields["metrics"] = context.pool.db.create("VM_metrics", {"install_time": now, "last_updated": now})
    return context.pool.db.create("VM", fields)


@TABLE.call("VM.snapshot", "VM ref", "string", optional("VDI ref set", []), result="VM ref", asynchronous=True)
def snapshot(context: Context, vm: str, name: str, ignored: list[str]) -> str:
    """Snapshot a VM with its disks, one after another; a failure destroys those that were made."""
    db = context.pool.db
    any_seeing(db, repositories(db, vm))
    with holding(context.pool, context.task, "VM", vm, "snapshot"):
        disks = copied_disks(context, vm, lambda vdi: take_snapshot(context, vdi), ignored)
        with db.change():
            made = db.create("VM", snapshot_fields(db, vm, name, context.pool.clock.now()))
            copy_belongings(db, vm, made, disks)
            db.set("VM", vm, parent=made)
            source = db.get("VM", vm)
            messages.post(
                context.pool, "VM_SNAPSHOTTED", "VM", source["uuid"], f"VM '{source['name_label']}' snapshotted"
            )
        return made


def remove_vm(pool: Pool, vm: str) -> None:
    """Remove a VM with its drives, interfaces and metrics, and join its children to its parent; disks stay."""
    db = pool.db
    with db.change():
        record = db.get("VM", vm)
        for cls, name in (("VBD", "VBDs"), ("VIF", "VIFs"), ("VGPU", "VGPUs"), ("VUSB", "VUSBs")):
            for ref in list(record[name]):
                db.delete(cls, ref)
        for chip in list(record["VTPMs"]):
            chips.remove(db, chip)
        for cls, name in (("VM_metrics", "metrics"), ("VM_guest_metrics", "guest_metrics")):
            if db.has(cls, record[name]):
                db.delete(cls, record[name])
        for child in list(record["children"]):
            db.set("VM", child, parent=record["parent"])
        db.delete("VM", vm)


@TABLE.call("VM.destroy", "VM ref", asynchronous=True)
def destroy(context: Context, vm: str) -> None:
    """Destroy a VM, a template or a snapshot; never its disks."""
    if context.pool.db.get("VM", vm)["is_default_template"]:
        raise XapiError("VM_CANNOT_DELETE_DEFAULT_TEMPLATE", vm)
    with holding(context.pool, context.task, "VM", vm, "destroy"):
        remove_vm(context.pool, vm)


@TABLE.call("VM.set_is_a_template", "VM ref", "bool")
def set_is_a_template(context: Context, vm: str, value: bool) -> None:  # noqa: FBT001  the wire's own parameter
    """Make a template of a VM (checked), or a VM of a template or snapshot (unchecked, and one-way on a snapshot)."""
    db = context.pool.db
    with db.change():
        if value and (error := operations.refusal(context.pool, "VM", vm, "make_into_template")):
            raise error
        record = db.get("VM", vm)
        if not value and db.has("VM_metrics", record["metrics"]):
            db.set("VM_metrics", record["metrics"], install_time=context.pool.clock.now())
        db.set("VM", vm, is_a_template=value)


@TABLE.call("VM.assert_operation_valid", "VM ref", "enum vm_operations", asynchronous=True)
def assert_operation_valid(context: Context, vm: str, operation: str) -> None:
    """Raise the first reason against an operation."""
    with context.pool.db.changed:
        if error := operations.refusal(context.pool, "VM", vm, operation):
            raise error


@TABLE.call("VM.update_allowed_operations", "VM ref", asynchronous=True)
def update_allowed_operations(context: Context, vm: str) -> None:
    """Recompute the allowed operations."""
    context.pool.db.get("VM", vm)
    with context.pool.db.change():
        settle(context.pool.db, [("VM", vm)])
