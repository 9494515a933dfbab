"""Whether a VM may do an operation, and the error in the order of xapi's checks (xapi_vm_lifecycle.ml)."""

from vmbackup.simulator.database import Database, Record
from vmbackup.simulator.errors import XapiError
from vmbackup.simulator.schema import MODEL

_ANY = ("Halted", "Paused", "Running", "Suspended")
_POWER_STATES = {
    "snapshot": _ANY,
    "metadata_export": _ANY,
    "revert": _ANY,
    "checkpoint": ("Running", "Paused", "Suspended"),
    "export": ("Halted", "Suspended"),
    "destroy": ("Halted", "Suspended"),
    "clone": ("Halted",),
    "copy": ("Halted",),
    "start": ("Halted",),
    "start_on": ("Halted",),
    "provision": ("Halted",),
    "make_into_template": ("Halted",),
    "create_vtpm": ("Halted",),
    "changing_NVRAM": ("Halted",),
    "changing_static_range": ("Halted",),
    "changing_shadow_memory": ("Halted",),
    "changing_dynamic_range": ("Halted", "Running"),
    "clean_shutdown": ("Running",),
    "clean_reboot": ("Running",),
    "pause": ("Running",),
    "unpause": ("Paused",),
    "suspend": ("Running",),
    "pool_migrate": ("Running",),
    "changing_VCPUs_live": ("Running",),
    "hard_shutdown": ("Running", "Paused", "Suspended"),
    "hard_reboot": ("Running", "Paused"),
    "resume": ("Suspended",),
    "resume_on": ("Suspended",),
    "migrate_send": ("Halted", "Suspended", "Running"),
}
_TOGETHER = (frozenset({"clone", "copy", "export"}), frozenset({"snapshot", "checkpoint"}))
_INTERRUPTS = frozenset({"hard_shutdown", "hard_reboot"})
_TEMPLATES_DO = frozenset(
    {
        "changing_NVRAM",
        "changing_dynamic_range",
        "changing_static_range",
        "changing_shadow_memory",
        "clone",
        "copy",
        "export",
        "metadata_export",
        "provision",
        "destroy",
        "migrate_send",
    }
)
_SNAPSHOTS_DO = frozenset({"revert", "clone", "copy", "export", "metadata_export", "destroy", "hard_shutdown"})
_CONTROL_DOMAINS_DO = frozenset({"metadata_export", "changing_dynamic_range", "changing_static_range"})
_NEED_A_GUEST = frozenset(
    {"clean_shutdown", "clean_reboot", "suspend", "checkpoint", "pool_migrate", "migrate_send", "changing_VCPUs_live"}
)
_FROZEN_DISKS = frozenset({"snapshot", "checkpoint", "suspend"})
_WITHOUT_USB = frozenset({"suspend", "snapshot", "checkpoint", "pool_migrate", "migrate_send"})


def refusal(db: Database, ref: str, operation: str) -> XapiError | None:
    """Give the first reason against an operation on a VM, or None. Raises XapiError `HANDLE_INVALID`."""
    vm = db.get("VM", ref)
    checks = (_blocked, _power_state, _concurrency, _kind, _guest)
    for check in checks:
        if error := check(db, ref, vm, operation):
            return error
    return _devices(db, ref, vm, operation)


def allowed(db: Database, ref: str) -> list[str]:
    """Compute `VM.allowed_operations`: the strict answer, in reverse of the enumeration's order."""
    vm = db.get("VM", ref)
    operations = [
        operation
        for operation in reversed(MODEL.enums["vm_operations"])
        if operation in _POWER_STATES and refusal(db, ref, operation) is None
    ]
    if vm["is_default_template"]:
        return [operation for operation in operations if operation not in {"destroy", "migrate_send"}]
    return operations


def bad_power_state(ref: str, expected: tuple[str, ...], actual: str) -> XapiError:
    """Build the error with its lower-case, comma-separated list."""
    return XapiError("VM_BAD_POWER_STATE", ref, ", ".join(expected).lower(), actual.lower())


def in_progress(cls: str, ref: str, running: dict[str, str]) -> XapiError:
    """Build the error about the operations that hold an object; several are written `{a,b}`."""
    names, tasks = list(running.values()), list(running)
    if len(names) == 1:
        return XapiError("OTHER_OPERATION_IN_PROGRESS", cls, ref, names[0], tasks[0])
    return XapiError("OTHER_OPERATION_IN_PROGRESS", cls, ref, f"{{{','.join(names)}}}", f"{{{','.join(tasks)}}}")


def _blocked(_db: Database, ref: str, vm: Record, operation: str) -> XapiError | None:
    text = vm["blocked_operations"].get(operation)
    return None if text is None else XapiError("OPERATION_BLOCKED", ref, text)


def _power_state(_db: Database, ref: str, vm: Record, operation: str) -> XapiError | None:
    expected = _POWER_STATES.get(operation, _ANY)
    if operation in {"clone", "copy"} and vm["is_a_snapshot"]:
        expected = ("Halted", "Suspended")
    return None if vm["power_state"] in expected else bad_power_state(ref, expected, vm["power_state"])


def _concurrency(_db: Database, ref: str, vm: Record, operation: str) -> XapiError | None:
    running = vm["current_operations"]
    if not running or operation in _INTERRUPTS:
        return None
    if any(operation in group and group.issuperset(running.values()) for group in _TOGETHER):
        return None
    return in_progress("VM", ref, running)


def _kind(_db: Database, ref: str, vm: Record, operation: str) -> XapiError | None:
    if vm["is_a_snapshot"]:
        return None if operation in _SNAPSHOTS_DO else XapiError("VM_IS_SNAPSHOT", ref, operation)
    if operation == "revert":
        return XapiError("ONLY_REVERT_SNAPSHOT")
    if vm["is_a_template"]:
        return None if operation in _TEMPLATES_DO else XapiError("VM_IS_TEMPLATE", ref, operation)
    if operation == "provision":
        return XapiError("ONLY_PROVISION_TEMPLATE")
    if vm["is_control_domain"] and operation not in _CONTROL_DOMAINS_DO:
        return XapiError("OPERATION_NOT_ALLOWED", "This operation is not allowed on a control domain")
    return None


def _guest(db: Database, ref: str, vm: Record, operation: str) -> XapiError | None:
    if vm["power_state"] != "Running" or operation not in _NEED_A_GUEST or vm["is_control_domain"]:
        return None
    metrics = db.table("VM_guest_metrics").get(vm["guest_metrics"])
    drivers = metrics is not None and metrics["PV_drivers_detected"]
    return None if drivers else XapiError("VM_LACKS_FEATURE", ref)


def _devices(db: Database, ref: str, vm: Record, operation: str) -> XapiError | None:
    if operation in _FROZEN_DISKS and any(disk["sm_config"].get("on_boot") == "reset" for disk in _disks(db, vm)):
        return XapiError("VDI_ON_BOOT_MODE_INCOMPATIBLE_WITH_OPERATION")
    if operation in _WITHOUT_USB and vm["VUSBs"]:
        return XapiError("VM_HAS_VUSBS", ref)
    if operation == "create_vtpm" and vm["VTPMs"]:
        return XapiError("VTPM_MAX_AMOUNT_REACHED", "1")
    return None


def _disks(db: Database, vm: Record) -> list[Record]:
    drives = [db.get("VBD", vbd) for vbd in vm["VBDs"]]
    return [db.get("VDI", drive["VDI"]) for drive in drives if db.has("VDI", drive["VDI"])]
