"""What a snapshot of a VM takes over from it (xapi_vm_clone.ml)."""

import secrets
from collections.abc import Mapping

from vmbackup.simulator import chips
from vmbackup.simulator.database import Database, Record
from vmbackup.simulator.schema import NULL

_FRESH = ("uuid", "allowed_operations", "current_operations")
_OWN_SETS = (
    "VBDs",
    "VIFs",
    "VGPUs",
    "VTPMs",
    "VUSBs",
    "snapshots",
    "children",
    "consoles",
    "crash_dumps",
    "attached_PCIs",
)
_NOWHERE = (
    "resident_on",
    "appliance",
    "snapshot_schedule",
    "suspend_SR",
    "suspend_VDI",
    "scheduled_to_be_resident_on",
    "protection_policy",
)
_NOT_COPIED = frozenset({"default_template", "xensource_internal"})


def snapshot_fields(db: Database, vm: str, name: str, now: str) -> Record:
    """Give the fields of a snapshot's record; its metrics are made with it."""
    source = db.get("VM", vm)
    kept = {key: value for key, value in source.items() if key not in _FRESH}
    return {
        **kept,
        "name_label": name,
        "power_state": "Halted",
        "is_a_template": True,
        "is_default_template": False,
        "is_a_snapshot": True,
        "snapshot_of": vm,
        "snapshot_time": now,
        "snapshot_info": {
            "power-state-at-snapshot": source["power_state"],
            "disk-snapshot-type": "crash_consistent",
        },
        "snapshot_metadata": s_expression(source),
        "transportable_snapshot_id": "",
        "blocked_operations": {},
        "other_config": {key: value for key, value in source["other_config"].items() if key not in _NOT_COPIED},
        "parent": source["parent"],
        "metrics": _copied(db, "VM_metrics", source["metrics"]),
        "guest_metrics": _copied(db, "VM_guest_metrics", source["guest_metrics"]),
        **dict.fromkeys(_NOWHERE, NULL),
        **{name: [] for name in _OWN_SETS},
        **dict.fromkeys(("order", "start_delay", "shutdown_delay"), 0),
        "ha_always_run": False,
        "is_vmss_snapshot": False,
        "domid": -1,
        "generation_id": f"{secrets.randbits(63)}:{secrets.randbits(63)}",
    }


def _copied(db: Database, cls: str, ref: str) -> str:
    if not db.has(cls, ref):
        return NULL
    return db.create(cls, {key: value for key, value in db.get(cls, ref).items() if key != "uuid"})


def copy_drive(db: Database, vbd: str, vm: str, vdi: str) -> str:
    """Copy a drive to a snapshot; the disk that was made for it belongs to it (`owner`)."""
    source = db.get("VBD", vbd)
    kept = {key: value for key, value in source.items() if key not in _FRESH}
    owner = {} if vdi == source["VDI"] else {"owner": ""}
    other = {**source["other_config"], **owner}
    return db.create("VBD", {**kept, "VM": vm, "VDI": vdi, "currently_attached": False, "other_config": other})


def copy_interface(db: Database, vif: str, vm: str) -> str:
    """Copy an interface to a snapshot, with the same MAC."""
    kept = {key: value for key, value in db.get("VIF", vif).items() if key not in _FRESH}
    return db.create("VIF", {**kept, "VM": vm, "currently_attached": False})


def copy_belongings(db: Database, vm: str, made: str, disks: Mapping[str, str]) -> None:
    """Copy a VM's drives (those of which `disks` knows the VDI), interfaces, GPUs and TPMs to a copy of it."""
    source = db.get("VM", vm)
    for vbd in source["VBDs"]:
        if vbd in disks:
            copy_drive(db, vbd, made, disks[vbd])
    for vif in source["VIFs"]:
        copy_interface(db, vif, made)
    for gpu in source["VGPUs"]:
        kept = {key: value for key, value in db.get("VGPU", gpu).items() if key not in _FRESH}
        db.create("VGPU", {**kept, "VM": made, "currently_attached": False})
    for chip in source["VTPMs"]:
        chips.copy(db, chip, made)


def s_expression(value: object) -> str:
    """Write a value as the s-expressions of the server's database: `(('key' 'value') …)`."""
    match value:
        case dict():
            return f"({' '.join(f'({s_expression(str(key))} {s_expression(item)})' for key, item in value.items())})"
        case list():
            return f"({' '.join(map(s_expression, value))})"
        case bool():
            return f"'{str(value).lower()}'"
    return "'" + str(value).replace("\\", "\\\\").replace("'", "\\'") + "'"
