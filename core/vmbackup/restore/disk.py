"""One disk: into a VDI of its own, attached to a VM that the user names or to a new one made from the metadata."""

import secrets
from collections.abc import Mapping

from vmbackup.errors import ConfigError, RestoreError
from vmbackup.images import Ova, read_ova
from vmbackup.manifest import ImageDisk
from vmbackup.restore.ends import Destination, Source, Wishes
from vmbackup.xapi.inventory import is_real, position_of
from vmbackup.xapi.marks import OWNER, RESTORING
from vmbackup.xapi.session import Session
from vmbackup.xapi.transfers import Request, upload
from vmbackup.xapi.unmake import unmake
from vmbackup.xapi.wire import NULL, mapping, text, texts

# What VM.create takes of a VM's record (xapi: datamodel_vm.ml); the rest belongs to the life of the old one.
VM_FIELDS = (
    *("name_label", "name_description", "user_version", "memory_overhead", "memory_static_max", "memory_dynamic_max"),
    *("memory_dynamic_min", "memory_static_min", "VCPUs_params", "VCPUs_max", "VCPUs_at_startup"),
    *("actions_after_shutdown", "actions_after_reboot", "actions_after_crash", "PV_bootloader", "PV_kernel"),
    *("PV_ramdisk", "PV_args", "PV_bootloader_args", "PV_legacy_args", "HVM_boot_policy", "HVM_boot_params"),
    *("HVM_shadow_multiplier", "platform", "PCI_bus", "other_config", "recommendations", "xenstore_data"),
    *("tags", "hardware_platform_version", "has_vendor_device", "domain_type", "NVRAM"),
)


def restore_disk(source: Source, destination: Destination, wishes: Wishes) -> str:
    """Restore the disk and return the reference of the VM that has it now. What was made is unmade on failure."""
    session, journal = destination.session, destination.journal
    image = source.backup.manifest.image
    if image is None or not image.disks:
        raise RestoreError(f"{source.backup.address} has no disk")
    disk = image.disks[0]
    ova = read_ova(source.metadata())
    host = _find_vm(session, wishes.vm, disk.position) if wishes.vm else None
    sign = f"{journal.run_id}-{secrets.token_hex(6)}"
    intent = journal.intend("restored", mark=sign)
    try:
        vdi = _fill_disk(source, destination, wishes, disk, sign)
        if host is None:
            host = _make_vm(session, ova, wishes, sign)
        _attach(session, host, vdi, disk)
    except BaseException:
        unmake(session, journal, [intent])
        raise
    # Before the marks go: a death between the two of them would have the next run destroy half of it.
    journal.close(intent)
    for name, ref in (("VDI", vdi), ("VM", host)):
        session.call(f"{name}.remove_from_other_config", ref, RESTORING)
    return host


def _fill_disk(source: Source, destination: Destination, wishes: Wishes, disk: ImageDisk, sign: str) -> str:
    session = destination.session
    name = disk.name or f"restored from {source.backup.address}"
    vdi = session.call(
        "VDI.create",
        {
            "SR": destination.sr,
            "name_label": name,
            "name_description": f"restored by vmbackup from {source.backup.address}",
            "virtual_size": str(disk.virtual_size),
            "type": "user",
            "sharable": False,
            "read_only": False,
            "other_config": {RESTORING: sign},
        },
    )
    image = source.backup.manifest.image
    request = Request(
        "/import_raw_vdi",
        {"vdi": str(vdi), "format": image.format if image else "raw"},
        f"import of {source.backup.address}",
    )
    pieces, size = source.pieces(wishes), source.image.content_size
    upload(session, destination.journal, request, pieces, size, address=destination.address)
    return str(vdi)


def _find_vm(session: Session, wanted: str, position: int) -> str:
    """Return the VM of that name or UUID, if it has room for the disk at its place. Raises ConfigError."""
    found = {
        ref: record
        for ref, record in session.records("VM").items()
        if is_real(record) and wanted in {text(record, "name_label"), text(record, "uuid")}
    }
    if len(found) != 1:
        raise ConfigError(f"{len(found)} VMs of the pool are called {wanted!r}", advice="Name it by its UUID.")
    ((ref, record),) = found.items()
    for vbd in texts(record, "VBDs"):
        if position_of(text(session.record("VBD", vbd), "userdevice")) == position:
            raise ConfigError(
                f"the VM {wanted!r} has something at position {position} already",
                advice="Detach it first, or leave --vm out to make a new VM.",
            )
    return ref


def _make_vm(session: Session, ova: Ova, wishes: Wishes, sign: str) -> str:
    """Make a VM like the one in the metadata, with its network interfaces and without disks."""
    records = [item.record for item in ova.objects if item.cls == "VM"]
    if len(records) != 1:
        raise RestoreError(
            f"the metadata holds {len(records)} VMs", advice="Name a VM with --vm to attach the disk to."
        )
    (old,) = records
    fields = {name: old[name] for name in VM_FIELDS if name in old}
    kept = {key: value for key, value in mapping(old, "other_config").items() if key not in {OWNER, "mac_seed"}}
    fields |= {
        "name_label": wishes.name or text(old, "name_label"),
        "is_a_template": False,
        "affinity": NULL,
        "other_config": {**kept, RESTORING: sign},
    }
    vm = str(session.call("VM.create", fields))
    networks = {text(record, "name_label"): ref for ref, record in session.records("network").items()}
    names = {item.id: text(item.record, "name_label") for item in ova.objects if item.cls == "network"}
    for item in ova.objects:
        if item.cls != "VIF":
            continue
        network = networks.get(names.get(text(item.record, "network"), ""))
        if network is not None:
            session.call("VIF.create", _vif(item.record, vm, network, preserve=wishes.preserve))
    return vm


def _vif(old: Mapping[str, object], vm: str, network: str, *, preserve: bool) -> dict[str, object]:
    """Return a network interface like the old one; without a MAC the pool makes one up (xapi: xapi_vif_helpers.ml)."""
    return {
        "device": text(old, "device"),
        "network": network,
        "VM": vm,
        "MAC": text(old, "MAC") if preserve else "",
        "MTU": text(old, "MTU"),
        "other_config": mapping(old, "other_config"),
        "qos_algorithm_type": text(old, "qos_algorithm_type"),
        "qos_algorithm_params": mapping(old, "qos_algorithm_params"),
    }


def _attach(session: Session, vm: str, vdi: str, disk: ImageDisk) -> None:
    session.call(
        "VBD.create",
        {
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
        },
    )
