"""What may keep a restored VM from being taken by the pool, or from running there as it did. Pure."""

import re
from collections.abc import Iterator, Mapping, Sequence

from vmbackup.images import VHD_LIMIT, Ova, OvaObject
from vmbackup.manifest import Image, ImageDisk
from vmbackup.restore.wishes import Way
from vmbackup.results import Backup
from vmbackup.xapi.surroundings import Surroundings

# The first platforms with UEFI for guests, with virtual TPMs, and with imports of zstd (8.0, 8.3 and 8.1).
UEFI, VTPM, ZSTD = (3, 0), (3, 3), (3, 1)
# Disks that a request to import records can name: its line and headers have 1,006 bytes (xapi: xapi_globs.ml), of which
# a pair of UUIDs takes 80, and the rest up to 340.
MAPPED = 8


def incompatible(backup: Backup, ova: Ova, pool: Surroundings, way: Way) -> Iterator[tuple[str, str]]:
    """Yield for what reasons the pool would refuse the image, and what to do: it is older than the one of the backup.

    A newer archive is refused by its version of xapi (xapi: import.ml).
    """
    machines = sum(1 for _ in ova.of_class("VM"))
    if way == "machine" and machines != 1:
        yield (
            f"the metadata holds {machines} VMs, so that there is nothing to put around the disk",
            "Restore the disk alone, with --disk, or for a VM, with --vm.",
        )
    oldest = min((host.xapi for host in pool.hosts if host.xapi), default=())
    wrote = (ova.version.xapi_major, ova.version.xapi_minor)
    if way != "machine" and oldest and wrote > oldest:
        yield (
            f"the backup is of xapi {_dotted(wrote)}, and the pool's {_dotted(oldest)} takes nothing newer than itself",
            "Update the pool, or extract the disks and attach them to a new VM.",
        )
    image = backup.manifest.image_file
    packed = image.compressor if image and image.packed_by == "host" else None
    if way == "import" and packed == "zstd" and _below(pool, ZSTD):
        yield (
            "the image was compressed with zstd by its host, and this pool is older than 8.1, which cannot unpack it",
            "Unpack it with zstd -d, and restore it with xe vm-import.",
        )


def unfit(image: Image, disks: Sequence[ImageDisk], way: Way) -> Iterator[tuple[str, str]]:
    """Yield for what reasons disks cannot be filled one by one out of a whole VM's image, and what to do."""
    if image.format != "xva" or way not in {"disk", "disks"}:
        return
    for disk in disks:
        if disk.virtual_size > VHD_LIMIT:
            yield (
                f"the disk {disk.name!r} is larger than the {VHD_LIMIT:,} bytes that a pool takes as a VHD",
                "Restore the whole VM to one SR; or vmbackup extract it as raw, and xe vdi-import that.",
            )
    if way == "disks" and len(disks) > MAPPED:
        yield (
            f"the VM has {len(disks)} disks, and a pool takes the records of one around {MAPPED} at most",
            "Restore the VM to one SR, and copy disks to others afterwards: xe vdi-copy.",
        )


def cautions(ova: Ova, pool: Surroundings) -> Iterator[str]:
    """Yield what may keep the VM from running."""
    for vm in ova.of_class("VM"):
        yield from _hardware(vm, ova, pool)
        if vm.text("power_state") == "Suspended":
            vendor = vm.mapping("last_boot_CPU_flags").get("vendor", "")
            others = {host.vendor for host in pool.hosts if host.vendor} - {vendor}
            if vendor and others:
                yield f"the VM is suspended on a CPU of {vendor}, and does not resume on {', '.join(sorted(others))}"


def _hardware(vm: OvaObject, ova: Ova, pool: Surroundings) -> Iterator[str]:
    boot = vm.mapping("HVM_boot_params")
    if boot.get("firmware") == "uefi" and _below(pool, UEFI):
        yield "the VM boots by UEFI, which this pool does not know"
    if any(chip.text("VM") == vm.id for chip in ova.of_class("VTPM")) and _below(pool, VTPM):
        yield "the VM has a virtual TPM, which this pool does not know; what is sealed in it is lost"
    if vm.texts("VGPUs"):
        yield "the VM has a GPU; it starts only where the pool has one of its kind free"
    if pci := vm.mapping("other_config").get("pci", ""):
        yield f"PCI devices of its old host are passed through to the VM ({pci}); it starts only where they are"
    memory, cpus = _number(vm.record, "memory_static_max"), _number(vm.record, "VCPUs_max")
    most = max((host.memory for host in pool.hosts), default=0)
    if most and memory > most:
        yield f"the VM wants {memory:,} bytes of memory, and no host has more than {most:,}"
    processors = max((host.cpus for host in pool.hosts), default=0)
    if processors and cpus > processors:
        yield f"the VM has {cpus} CPUs, and no host has more than {processors}"


def _below(pool: Surroundings, version: tuple[int, int]) -> bool:
    return any(host.platform and host.platform < version for host in pool.hosts)


def _number(record: Mapping[str, object], field: str) -> int:
    value = str(record.get(field, ""))
    return int(value) if re.fullmatch(r"[0-9]{1,18}", value) else 0


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
