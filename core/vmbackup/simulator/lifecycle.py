"""Whether a VM may do an operation, and the error in the order of xapi's checks (xapi_vm_lifecycle.ml)."""

from vmbackup.simulator.database import Database, Record
from vmbackup.simulator.errors import XapiError
from vmbackup.simulator.schema import MODEL, NULL

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
_MOVES = frozenset({"suspend", "checkpoint", "pool_migrate", "migrate_send"})
_NOT_DURING_UPGRADE = frozenset(
    {
        "snapshot",
        "checkpoint",
        "snapshot_with_quiesce",
        "revert",
        "metadata_export",
        "make_into_template",
        "migrate_send",
        "changing_dynamic_range",
        "changing_VCPUs_live",
        "create_vtpm",
    }
)


def refusal(db: Database, ref: str, operation: str) -> XapiError | None:
    """Give the first reason against an operation on a VM, or None. Raises XapiError `HANDLE_INVALID`."""
    vm = db.get("VM", ref)
    for check in _CHECKS:
        if error := check(db, ref, vm, operation):
            return error
    return None


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


def is_upgrading(db: Database) -> bool:
    """Say whether the pool is being upgraded, host by host."""
    return any("rolling_upgrade_in_progress" in pool["other_config"] for pool in db.table("pool").values())


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
    return XapiError("ONLY_PROVISION_TEMPLATE") if operation == "provision" else None


def _mobility(db: Database, ref: str, vm: Record, operation: str) -> XapiError | None:
    metrics = db.table("VM_metrics").get(vm["metrics"])
    fixed = metrics is not None and (metrics["nomigrate"] or metrics["nested_virt"])
    running = vm["power_state"] == "Running"
    return XapiError("VM_IS_IMMOBILE", ref) if fixed and running and operation in _MOVES else None


def _control_domain(_db: Database, _ref: str, vm: Record, operation: str) -> XapiError | None:
    if vm["is_control_domain"] and operation not in _CONTROL_DOMAINS_DO:
        return XapiError("OPERATION_NOT_ALLOWED", "This operation is not allowed on a control domain")
    return None


def _guest(db: Database, ref: str, vm: Record, operation: str) -> XapiError | None:
    if vm["power_state"] != "Running" or operation not in _NEED_A_GUEST or vm["is_control_domain"]:
        return None
    metrics = db.table("VM_guest_metrics").get(vm["guest_metrics"])
    if metrics is None or not metrics["PV_drivers_detected"]:
        return XapiError("VM_LACKS_FEATURE", ref)
    reason = metrics["other"].get("data-cant-suspend-reason")
    if reason is not None and operation in _MOVES:
        return XapiError("VM_NON_SUSPENDABLE", ref, reason)
    return None


def _quiesce(_db: Database, ref: str, _vm: Record, operation: str) -> XapiError | None:
    quiesced = operation == "snapshot_with_quiesce"
    return XapiError("VM_SNAPSHOT_WITH_QUIESCE_NOT_SUPPORTED", ref) if quiesced else None


def _devices(db: Database, ref: str, vm: Record, operation: str) -> XapiError | None:
    if operation in _FROZEN_DISKS and any(disk["sm_config"].get("on_boot") == "reset" for disk in _disks(db, vm)):
        return XapiError("VDI_ON_BOOT_MODE_INCOMPATIBLE_WITH_OPERATION")
    if operation in _MOVES and vm["attached_PCIs"]:
        return XapiError("VM_HAS_PCI_ATTACHED", ref)
    if operation in _MOVES and vm["VGPUs"]:
        return XapiError("VM_HAS_VGPU", ref)
    if operation in _WITHOUT_USB and vm["VUSBs"]:
        return XapiError("VM_HAS_VUSBS", ref)
    return None


def _membership(_db: Database, ref: str, vm: Record, operation: str) -> XapiError | None:
    if operation != "make_into_template":
        return None
    if vm["appliance"] != NULL:
        return XapiError("VM_IS_PART_OF_AN_APPLIANCE", ref, vm["appliance"])
    if vm["snapshot_schedule"] != NULL:
        return XapiError("VM_ASSIGNED_TO_SNAPSHOT_SCHEDULE", ref, vm["snapshot_schedule"])
    return None


def _upgrade(db: Database, _ref: str, _vm: Record, operation: str) -> XapiError | None:
    refused = is_upgrading(db) and operation in _NOT_DURING_UPGRADE
    return XapiError("NOT_SUPPORTED_DURING_UPGRADE") if refused else None


def _chips(_db: Database, _ref: str, vm: Record, operation: str) -> XapiError | None:
    return XapiError("VTPM_MAX_AMOUNT_REACHED", "1") if operation == "create_vtpm" and vm["VTPMs"] else None


def _disks(db: Database, vm: Record) -> list[Record]:
    drives = [db.get("VBD", vbd) for vbd in vm["VBDs"]]
    return [db.get("VDI", drive["VDI"]) for drive in drives if db.has("VDI", drive["VDI"])]


_CHECKS = (
    _blocked,
    _power_state,
    _concurrency,
    _kind,
    _mobility,
    _control_domain,
    _guest,
    _quiesce,
    _devices,
    _membership,
    _upgrade,
    _chips,
)
