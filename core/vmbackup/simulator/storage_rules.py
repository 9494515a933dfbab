"""Whether a disk, drive or storage repository may do an operation (xapi_vdi.ml, xapi_vbd.ml, xapi_sr_operations.ml)."""

from vmbackup.simulator.database import Database, Record
from vmbackup.simulator.errors import XapiError
from vmbackup.simulator.lifecycle import in_progress
from vmbackup.simulator.provisioning import supports

_DISK_OPERATIONS = ("update", "forget", "destroy", "snapshot", "resize", "copy", "clone")
_ATTACHED_MAY = frozenset({"snapshot", "clone", "enable_cbt", "disable_cbt", "data_destroy", "mirror", "resize_online"})
_FEATURES = {
    "snapshot": "VDI_SNAPSHOT",
    "clone": "VDI_CLONE",
    "resize": "VDI_RESIZE",
    "destroy": "VDI_DELETE",
    "update": "VDI_UPDATE",
}
_RAW = frozenset({"raw", "aio"})
_REPOSITORY_OPERATIONS = (
    "unplug",
    "update",
    "vdi_create",
    "vdi_introduce",
    "vdi_destroy",
    "vdi_resize",
    "vdi_clone",
    "vdi_snapshot",
    "vdi_mirror",
    "scan",
    "destroy",
    "forget",
    "plug",
    "pbd_create",
    "pbd_destroy",
)
_ISO_OPERATIONS = ("unplug", "update", "scan", "forget", "plug", "pbd_create", "pbd_destroy")


def disk_refusal(db: Database, ref: str, operation: str) -> XapiError | None:
    """Give the first reason against an operation on a VDI, or None. Raises XapiError `HANDLE_INVALID`."""
    disk = db.get("VDI", ref)
    if not disk["managed"]:
        return XapiError("VDI_NOT_MANAGED", ref)
    busy = {task: running for task, running in disk["current_operations"].items() if running != "copy"}
    if busy:
        return in_progress("VDI", ref, busy)
    attached = attached_drives(db, disk)
    if attached and operation not in _ATTACHED_MAY and not (operation == "copy" and _read_only(attached)):
        return XapiError("VDI_IN_USE", ref, operation)
    if operation in _FEATURES and not _can(db, disk, operation):
        return XapiError("SR_OPERATION_NOT_SUPPORTED", disk["SR"])
    return None


def attached_drives(db: Database, disk: Record) -> list[Record]:
    """Give the VBDs that hold a disk at this moment, those of the control domain among them."""
    return [drive for drive in (db.get("VBD", vbd) for vbd in disk["VBDs"]) if drive["currently_attached"]]


def _read_only(drives: list[Record]) -> bool:
    return all(drive["mode"] == "RO" for drive in drives)


def _can(db: Database, disk: Record, operation: str) -> bool:
    """Say whether the disk's driver can do it, and for a raw disk, which has no chain, whether anyone could."""
    raw = disk["sm_config"].get("vdi_type") in _RAW and operation in {"snapshot", "clone"}
    return db.has("SR", disk["SR"]) and supports(db, disk["SR"], _FEATURES[operation]) and not raw


def allowed_on_disk(db: Database, ref: str) -> list[str]:
    """Compute `VDI.allowed_operations`."""
    return [operation for operation in _DISK_OPERATIONS if disk_refusal(db, ref, operation) is None]


def allowed_on_drive(db: Database, ref: str) -> list[str]:
    """Compute `VBD.allowed_operations`."""
    drive = db.get("VBD", ref)
    vm = db.table("VM").get(drive["VM"])
    running = vm is not None and vm["power_state"] == "Running"
    removable = [] if drive["type"] != "CD" else ["insert"] if drive["empty"] else ["eject"]
    if not running:
        return ["attach", *removable]
    plugging = ["unplug", "unplug_force"] if drive["currently_attached"] else ["attach", "plug"]
    return plugging if drive["type"] == "Disk" else removable


def allowed_on_repository(db: Database, ref: str) -> list[str]:
    """Compute `SR.allowed_operations`."""
    repository = db.get("SR", ref)
    if repository["current_operations"]:
        return []
    return list(_ISO_OPERATIONS if repository["content_type"] == "iso" else _REPOSITORY_OPERATIONS)
