"""Calls on VBDs, the drives of a VM (xapi_vbd.ml)."""

from typing import Final

from vmbackup.simulator.calls.records import constructor
from vmbackup.simulator.calls.table import Context, Table
from vmbackup.simulator.database import Database, Record
from vmbackup.simulator.errors import XapiError
from vmbackup.simulator.lifecycle import bad_power_state
from vmbackup.simulator.schema import NULL
from vmbackup.simulator.storage_rules import attached_drives

TABLE: Final = Table()


def free_position(db: Database, vm: str) -> str:
    """Give the lowest free `userdevice` of a VM."""
    taken = {db.get("VBD", vbd)["userdevice"] for vbd in db.get("VM", vm)["VBDs"]}
    return next(str(number) for number in range(1 << 16) if str(number) not in taken)


@TABLE.call("VBD.create", "record VBD", result="VBD ref", asynchronous=True)
def create(context: Context, given: Record) -> str:
    """Make a drive, without attaching it."""
    db = context.pool.db
    fields = constructor("VBD", given)
    with db.change():
        vm = db.get("VM", fields["VM"])
        if fields["empty"]:
            fields["VDI"] = NULL
        else:
            _check_disk(db, fields)
        if fields["userdevice"] == "autodetect":
            fields["userdevice"] = free_position(db, fields["VM"])
        elif any(db.get("VBD", vbd)["userdevice"] == fields["userdevice"] for vbd in vm["VBDs"]):
            raise XapiError("DEVICE_ALREADY_EXISTS", fields["userdevice"])
        fields["currently_attached"] = False
        return db.create("VBD", fields)


def _check_disk(db: Database, fields: Record) -> None:
    disk = db.get("VDI", fields["VDI"])
    if not disk["managed"]:
        raise XapiError("VDI_NOT_MANAGED", fields["VDI"])
    if fields["type"] == "CD" and fields["mode"] != "RO":
        raise XapiError("VBD_CDS_MUST_BE_READONLY")
    if disk["read_only"] and fields["mode"] == "RW":
        raise XapiError("VDI_READONLY", fields["VDI"])


@TABLE.call("VBD.destroy", "VBD ref", asynchronous=True)
def destroy(context: Context, vbd: str) -> None:
    """Remove a drive that is not attached; never its disk."""
    db = context.pool.db
    with db.change():
        drive = db.get("VBD", vbd)
        if drive["currently_attached"]:
            owner = db.get("VM", drive["VM"])["uuid"]
            raise XapiError("OPERATION_NOT_ALLOWED", f"VBD '{drive['uuid']}' still attached to '{owner}'")
        db.delete("VBD", vbd)


@TABLE.call("VBD.plug", "VBD ref", asynchronous=True)
def plug(context: Context, vbd: str) -> None:
    """Attach a drive to its running VM."""
    db = context.pool.db
    with db.change():
        drive = db.get("VBD", vbd)
        if drive["currently_attached"]:
            raise XapiError("DEVICE_ALREADY_ATTACHED", vbd)
        vm = db.get("VM", drive["VM"])
        if vm["power_state"] != "Running":
            raise bad_power_state(drive["VM"], ("Running",), vm["power_state"])
        if not drive["empty"] and not vm["is_control_domain"]:
            assert_sharable(db, drive)
        db.set("VBD", vbd, currently_attached=True)


def assert_sharable(db: Database, drive: Record) -> None:
    """Raise XapiError `VDI_IN_USE [vdi]` when the drive's disk is attached elsewhere and one of them writes."""
    disk = db.get("VDI", drive["VDI"])
    others = [other for other in attached_drives(db, disk) if other["uuid"] != drive["uuid"]]
    if others and not disk["sharable"] and "RW" in {drive["mode"], *(other["mode"] for other in others)}:
        raise XapiError("VDI_IN_USE", drive["VDI"])


@TABLE.call("VBD.unplug", "VBD ref", asynchronous=True)
def unplug(context: Context, vbd: str) -> None:
    """Detach a drive from its running VM."""
    _detach(context, vbd)


@TABLE.call("VBD.unplug_force", "VBD ref", asynchronous=True)
def unplug_force(context: Context, vbd: str) -> None:
    """Detach a drive whether the guest agrees or not."""
    _detach(context, vbd)


def _detach(context: Context, vbd: str) -> None:
    with context.pool.db.change():
        if not context.pool.db.get("VBD", vbd)["currently_attached"]:
            raise XapiError("DEVICE_ALREADY_DETACHED", vbd)
        context.pool.db.set("VBD", vbd, currently_attached=False)
