"""What of the records of a VM goes into a new one: the VM, its interfaces, and the link to a disk. Pure."""

from collections.abc import Mapping

from vmbackup.errors import RestoreError
from vmbackup.images import Ova
from vmbackup.manifest import ImageDisk
from vmbackup.xapi.marks import OWNER, RESTORING
from vmbackup.xapi.wire import NULL, mapping, text, texts

# What VM.create takes of a VM's record (xapi: datamodel_vm.ml); the rest belongs to the life of the old one.
VM_FIELDS = (
    *("name_description", "user_version", "memory_overhead", "memory_static_max", "memory_dynamic_max"),
    *("memory_dynamic_min", "memory_static_min", "VCPUs_params", "VCPUs_max", "VCPUs_at_startup"),
    *("actions_after_shutdown", "actions_after_reboot", "actions_after_crash", "PV_bootloader", "PV_kernel"),
    *("PV_ramdisk", "PV_args", "PV_bootloader_args", "PV_legacy_args", "HVM_boot_policy", "HVM_boot_params"),
    *("HVM_shadow_multiplier", "platform", "PCI_bus", "other_config", "recommendations", "xenstore_data"),
    *("tags", "hardware_platform_version", "has_vendor_device", "domain_type", "NVRAM"),
)


def new_vm(ova: Ova, name: str, sign: str) -> dict[str, object]:
    """Return what VM.create makes a VM of like the one in `ova.xml`, called `name` and marked as being restored.

    Raises RestoreError unless that describes one VM.
    """
    found = [item.record for item in ova.of_class("VM")]
    if len(found) != 1:
        raise RestoreError(
            f"the metadata holds {len(found)} VMs",
            advice="Restore the disk alone, with --disk, or for a VM, with --vm.",
        )
    (old,) = found
    fields = {field: old[field] for field in VM_FIELDS if field in old}
    kept = {key: value for key, value in mapping(old, "other_config").items() if key not in {OWNER, "mac_seed"}}
    return fields | {
        "name_label": name,
        "is_a_template": False,
        "affinity": NULL,
        "other_config": {**kept, RESTORING: sign},
    }


def new_vif(old: Mapping[str, object], vm: str, network: str, mac: str) -> dict[str, object]:
    """Return an interface like an old one; for the MAC "" the pool makes one up (xapi: xapi_vif_helpers.ml)."""
    fields: dict[str, object] = {
        "device": text(old, "device"),
        "network": network,
        "VM": vm,
        "MAC": mac,
        "MTU": text(old, "MTU"),
        "other_config": mapping(old, "other_config"),
        "qos_algorithm_type": text(old, "qos_algorithm_type"),
        "qos_algorithm_params": mapping(old, "qos_algorithm_params"),
    }
    if "locking_mode" in old:  # since XenServer 6.1
        fields |= {
            "locking_mode": text(old, "locking_mode"),
            "ipv4_allowed": list(texts(old, "ipv4_allowed")),
            "ipv6_allowed": list(texts(old, "ipv6_allowed")),
        }
    return fields


def new_vbd(vm: str, vdi: str, disk: ImageDisk) -> dict[str, object]:
    """Return the link of a disk to a VM, at its old place."""
    return {
        "VM": vm,
        "VDI": vdi,
        "userdevice": str(disk.position),
        "bootable": disk.position == 0,
        "mode": "RW",
        "type": "Disk",
        "unpluggable": True,
        "empty": False,
        "other_config": {"owner": ""},
        "qos_algorithm_type": "",
        "qos_algorithm_params": {},
    }
