"""`VM.revert`: a VM becomes what a snapshot of it holds (xapi_vm_snapshot.ml)."""

from typing import Final

from vmbackup.simulator import chips, guest_agent, messages
from vmbackup.simulator.calls.disk_copies import take_clone
from vmbackup.simulator.calls.storage import remove_disk
from vmbackup.simulator.calls.table import Context, Table
from vmbackup.simulator.calls.vm_copies import copied_disks
from vmbackup.simulator.calls.vm_power import power_off
from vmbackup.simulator.database import Database, Record
from vmbackup.simulator.errors import XapiError
from vmbackup.simulator.operations import holding
from vmbackup.simulator.schema import EPOCH, NULL
from vmbackup.simulator.visibility import any_seeing, repositories
from vmbackup.simulator.vm_copy import copy_belongings, snapshot_fields

TABLE: Final = Table()
_PASSED_ON = frozenset({"SR_BACKEND_FAILURE_44", "SR_BACKEND_FAILURE_109", "SR_FULL"})
_REVERTED = (
    "name_description",
    "memory_static_max",
    "memory_dynamic_max",
    "memory_dynamic_min",
    "memory_static_min",
    "VCPUs_params",
    "VCPUs_max",
    "VCPUs_at_startup",
    "actions_after_shutdown",
    "actions_after_reboot",
    "actions_after_crash",
    "PV_bootloader",
    "PV_kernel",
    "PV_ramdisk",
    "PV_args",
    "PV_bootloader_args",
    "PV_legacy_args",
    "HVM_boot_policy",
    "HVM_boot_params",
    "HVM_shadow_multiplier",
    "platform",
    "other_config",
    "tags",
    "affinity",
    "domain_type",
    "NVRAM",
)


@TABLE.call("VM.revert", "VM ref", asynchronous=True)
def revert(context: Context, snapshot: str) -> None:
    """Bring a VM back to a snapshot; one that is gone is made anew."""
    pool = context.pool
    db = pool.db
    any_seeing(db, repositories(db, snapshot))
    with holding(pool, context.task, "VM", snapshot, "revert"):
        vm = db.get("VM", snapshot)["snapshot_of"]
        try:
            disks = copied_disks(context, snapshot, lambda vdi: take_clone(context, vdi))
            memory = db.get("VM", snapshot)["suspend_VDI"]
            image = take_clone(context, memory) if db.has("VDI", memory) else NULL
        except XapiError as error:
            if error.code in _PASSED_ON:
                raise
            raise XapiError("VM_REVERT_FAILED", snapshot, vm) from None
        if db.has("VM", vm):
            guest_agent.leave(pool, vm)
        with db.change():
            if not db.has("VM", vm):
                vm = _made_anew(db, snapshot)
            power_off(pool, vm)
            old = _old_disks(db, vm, snapshot)
            _take_over(db, vm, snapshot, disks, image)
            record = db.get("VM", vm)
            text = f"VM '{record['name_label']}' reverted to snapshot '{db.get('VM', snapshot)['name_label']}'"
            messages.post(pool, "VM_SNAPSHOT_REVERTED", "VM", record["uuid"], text)
        for vdi in old:
            remove_disk(pool, vdi)


def _made_anew(db: Database, snapshot: str) -> str:
    name = db.get("VM", snapshot)["name_label"]
    fields = snapshot_fields(db, snapshot, name, EPOCH)
    own: Record = {"is_a_snapshot": False, "is_a_template": False, "snapshot_of": NULL, "parent": NULL}
    made = db.create("VM", {**fields, **own, "snapshot_info": {}, "snapshot_metadata": ""})
    _follow(db, "VM", db.get("VM", snapshot)["snapshot_of"], made)
    return made


def _follow(db: Database, cls: str, former: str, made: str) -> None:
    """Let the snapshots of an object that is replaced be those of the new one."""
    if former != NULL:
        for sibling in db.find(cls, snapshot_of=former):
            db.set(cls, sibling, snapshot_of=made)


def _old_disks(db: Database, vm: str, snapshot: str) -> list[str]:
    """Give the disks of a VM that a snapshot has a copy of, and its memory image; others stay as they are."""
    covered = {db.get("VDI", vdi)["snapshot_of"] for vdi in _disks(db, snapshot)}
    image = db.get("VM", vm)["suspend_VDI"]
    return [vdi for vdi in _disks(db, vm) if vdi in covered] + ([image] if db.has("VDI", image) else [])


def _disks(db: Database, vm: str) -> list[str]:
    drives = [db.get("VBD", vbd) for vbd in db.get("VM", vm)["VBDs"]]
    return [drive["VDI"] for drive in drives if drive["type"] == "Disk" and db.has("VDI", drive["VDI"])]


def _take_over(db: Database, vm: str, snapshot: str, disks: dict[str, str], image: str) -> None:
    """Give a VM the drives, interfaces and fields of a snapshot; its other snapshots follow the new disks."""
    source = db.get("VM", snapshot)
    places = {db.get("VBD", vbd)["userdevice"] for vbd in source["VBDs"]}
    for vbd in list(db.get("VM", vm)["VBDs"]):
        if db.get("VBD", vbd)["userdevice"] in places:
            db.delete("VBD", vbd)
    for cls, name in (("VIF", "VIFs"), ("VGPU", "VGPUs")):
        for ref in list(db.get("VM", vm)[name]):
            db.delete(cls, ref)
    for chip in list(db.get("VM", vm)["VTPMs"]):
        chips.remove(db, chip)
    copy_belongings(db, snapshot, vm, disks)
    for vbd, vdi in disks.items():
        drive = db.get("VBD", vbd)
        if drive["type"] == "Disk" and vdi != NULL:
            _follow(db, "VDI", db.get("VDI", drive["VDI"])["snapshot_of"], vdi)
    fields = {name: source[name] for name in _REVERTED}
    state = "Suspended" if image != NULL else "Halted"
    db.set("VM", vm, **fields, power_state=state, suspend_VDI=image, parent=snapshot)
