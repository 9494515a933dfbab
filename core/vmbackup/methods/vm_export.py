"""`vm-export`: the whole VM as an XVA."""

from vmbackup.contracts import Export, Method, Scratch
from vmbackup.errors import BackupError
from vmbackup.images import ImageCheck, PackedCheck, XvaCheck
from vmbackup.models import VM, Disk
from vmbackup.settings import NoSettings

SUFFIXES = {"gzip": ".gz", "zstd": ".zst"}


class VmExport(Method[NoSettings]):
    """The whole VM with all its disks as an XVA, which `xe vm-import` takes."""

    name = "vm-export"
    packings = frozenset(SUFFIXES)

    def disks(self, vm: VM) -> tuple[Disk, ...]:
        """All of them."""
        return vm.disks

    def begin(self, scratch: Scratch, vm: VM, packing: str | None) -> Export:
        """Snapshot the VM and ask for its export (xapi: export.ml); it must hold exactly the snapshot's disks."""
        snapshot = scratch.snapshot_vm(vm)
        expected = {disk.uuid: disk.virtual_size for disk in snapshot.disks}

        def check() -> ImageCheck:
            whole = XvaCheck(expected)
            return PackedCheck(packing, whole) if packing else whole

        return Export(
            handler="/export",
            query={"ref": snapshot.ref, **({"use_compression": packing} if packing else {})},
            image=f"image.xva{SUFFIXES[packing] if packing else ''}",
            check=check,
            disks=_paired(snapshot, vm),
            subject=snapshot.ref,
            packed=packing,
        )


def _paired(snapshot: VM, vm: VM) -> tuple[tuple[Disk, Disk], ...]:
    """Pair each disk of the snapshot with the one that it was made from. Raises BackupError unless it has them all."""
    originals = {disk.ref: disk for disk in vm.disks}
    pairs = tuple((disk, originals.pop(disk.snapshot_of, None)) for disk in snapshot.disks)
    strangers = [disk.name for disk, original in pairs if original is None]
    if missing := [disk.name for disk in originals.values()] + strangers:
        raise BackupError(
            f"{vm.name}: the snapshot does not hold just the disks of the VM: {', '.join(map(repr, missing))}",
            advice="Were disks attached or detached meanwhile? Run the job again.",
        )
    return tuple((disk, original) for disk, original in pairs if original is not None)
