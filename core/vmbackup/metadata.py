"""The small files beside an image: NAU VMbackup's for people, and how to check and restore without us. Pure."""

from collections.abc import Iterable, Mapping, Sequence

from vmbackup.manifest import Manifest, StoredFile, VMFact, generation_name
from vmbackup.models import VM, Disk

SUMS = "SHA256SUMS"
GUIDE = "RESTORE.txt"
# What the image is, and what an import that keeps MAC addresses gives, by what the pool read.
SOURCES = {
    "snapshot": "snapshot of",
    "vm": "exported while it was halted, from",
    "copy": "copy of a snapshot of",
}
KEEPING = {
    "snapshot": ["original is gone (the VM then gets the UUID of the snapshot that was exported, not the original's):"],
    "vm": ["original is gone (the VM then gets its UUID, too):"],
    "copy": [
        "copy is gone that was exported (the VM then gets the UUID of that copy, which it would replace, its name and",
        "its MAC addresses; those of the original are in VIFs/):",
    ],
}


def files_for_people(vm: VM, disks: Iterable[Disk]) -> dict[str, bytes]:
    """Return `vm.cfg`, and for each disk and network interface its own files, by name, with NAU VMbackup's fields."""
    files = {
        "vm.cfg": _lines(
            {
                "name_label": vm.name,
                "name_description": vm.description,
                "memory_dynamic_max": vm.memory,
                "VCPUs_max": vm.vcpus_max,
                "VCPUs_at_startup": vm.vcpus_at_startup,
                **({"base_template_name": vm.base_template} if vm.base_template else {}),
                "os_version": vm.os_version,
                "orig_uuid": vm.uuid,
            }
        )
    }
    for disk in disks:
        # A VM that never ran has no device names yet; the position is always there.
        folder = f"DISK-{disk.device if _plain(disk.device) else disk.position}"
        files[f"{folder}/vbd.cfg"] = _lines(
            {
                "userdevice": disk.position,
                "bootable": disk.bootable,
                "mode": disk.mode,
                "type": "Disk",
                "unpluggable": disk.unpluggable,
                "empty": False,
                "orig_uuid": disk.vbd_uuid,
            }
        )
        files[f"{folder}/vdi.cfg"] = _lines(
            {
                "name_label": disk.name,
                "name_description": disk.description,
                "virtual_size": disk.virtual_size,
                "type": disk.type,
                "sharable": disk.sharable,
                "read_only": disk.read_only,
                "orig_uuid": disk.uuid,
                "orig_sr_uuid": disk.sr.uuid,
            }
        )
    for index, vif in enumerate(vm.vifs):
        files[f"VIFs/vif-{vif.device if _plain(vif.device) else index}.cfg"] = _lines(
            {
                "device": vif.device,
                "network_name_label": vif.network,
                "MTU": vif.mtu,
                "MAC": vif.mac,
                "other_config": dict(vif.other_config),
                "orig_uuid": vif.uuid,
            }
        )
    return files


def sums(files: Iterable[StoredFile]) -> bytes:
    """Return the file that `sha256sum -c` takes."""
    return "".join(f"{file.sha256}  {file.name}\n" for file in files).encode()


def guide(manifest: Manifest, unpack: str = "") -> bytes:
    """Return RESTORE.txt: the exact lines for this backup. `unpack` are the shell words that undo our compression.

    They stand before the file's name and write to standard output; a host's own compression needs none.
    """
    image = next(file for file in manifest.files if file.role == "image")
    assert manifest.vm is not None and manifest.image is not None  # noqa: PT018, S101 - an image is of a VM
    source = SOURCES[manifest.exported]
    lines = [
        f"Backup of the VM {one_line(manifest.vm.name)} ({manifest.vm.uuid})",
        f"in the pool {one_line(manifest.pool.name)} ({manifest.pool.uuid}), {one_line(manifest.pool.product)}",
        f"{source} {manifest.snapshot_time:%Y-%m-%d %H:%M:%S} UTC, by {manifest.method}, {manifest.written_by}",
        *_notes(manifest.vm),
        "",
        "1. Check the files; every line must end in OK:",
        "",
        f"    sha256sum -c {generation_name(SUMS, manifest.generation)}",
        "",
        "2. Restore, with nothing but a XenServer or XCP-ng host (replace what stands in <>):",
        "",
    ]
    how = _whole_vm(manifest, image, unpack) if manifest.image.format == "xva" else _one_disk(manifest, image, unpack)
    return "\n".join([*lines, *how, ""]).encode()


def one_line(name: str) -> str:
    """Return a name from the pool without the characters that would break a line or speak to a terminal."""
    return "".join(character if character.isprintable() else "?" for character in name)


def _notes(vm: VMFact) -> Sequence[str]:
    """Say what a person has to know before anything is restored."""
    notes = [f"Not in it: the disk {one_line(disk.name)} at position {disk.position}" for disk in vm.left_out]
    if vm.secrets:
        notes.append(f"Keep it as safe as the VM itself: it holds its {' and '.join(vm.secrets)}")
    return notes


def _whole_vm(manifest: Manifest, image: StoredFile, unpack: str) -> Sequence[str]:
    note, name = _packed_vm(image, unpack)
    return [
        *note,
        f"    xe vm-import filename={name} sr-uuid=<SR>",
        "",
        "This makes a new VM with new MAC addresses, and prints its UUID. To keep the MAC addresses, when the",
        *KEEPING[manifest.exported],
        "",
        f"    xe vm-import filename={name} sr-uuid=<SR> preserve=true",
    ]


def _packed_vm(image: StoredFile, unpack: str) -> tuple[Sequence[str], str]:
    """Say what there is to do before the import of a compressed image, and the name of what is imported then.

    Hosts tell gzip and zstd by their first bytes (xapi: import.ml); what else there may be, they do not know.
    """
    plain = _plain_name(image)
    if image.name == plain:
        return (), plain
    if image.name.endswith(".gz"):
        return ("Every host unpacks gzip itself.", ""), image.name
    command = f"    {unpack or 'zstd -dc'} {image.name} > {plain}"
    if image.name.endswith(".zst"):
        versions = "The host unpacks zstd itself from Citrix Hypervisor 8.1 and XCP-ng 8.1 on. For an older one do this"
        return (versions, f"first, on any machine, and import {plain} instead:", "", command, ""), image.name
    return ("No host unpacks this itself, so do it first:", "", command, ""), plain


def _one_disk(manifest: Manifest, image: StoredFile, unpack: str) -> Sequence[str]:
    assert manifest.image is not None  # noqa: S101 - the caller has looked
    disk = manifest.image.disks[0]
    plain = _plain_name(image)
    steps = []
    if image.name != plain:
        steps = ["Disk images are imported uncompressed:", "", f"    {unpack} {image.name} > {plain}", ""]
    return [
        *steps,
        "This is the OS disk alone. Make a disk, fill it, and attach it to a VM that has none at this place",
        "(vm.cfg and VIFs/ tell how the VM was made):",
        "",
        f"    xe vdi-create sr-uuid=<SR> name-label=restored type=system virtual-size={disk.virtual_size}",
        f"    xe vdi-import uuid=<UUID that was printed> filename={plain} format={manifest.image.format}",
        f"    xe vbd-create vm-uuid=<VM> vdi-uuid=<the disk> device={disk.position} bootable=true mode=RW type=Disk",
    ]


def _plain_name(image: StoredFile) -> str:
    """Return the image's name without what its compression has put behind it."""
    return ".".join(image.name.split(".")[:2])


def _plain(device: str) -> bool:
    return device.isascii() and device.isalnum()


def _lines(fields: Mapping[str, object]) -> bytes:
    r"""Return `key=value` lines; a line break inside a value is written `\n` or `\r`, so that the format holds."""
    escapes = str.maketrans({"\\": r"\\", "\n": r"\n", "\r": r"\r"})
    return "".join(f"{key}={str(value).translate(escapes)}\n" for key, value in fields.items()).encode()
