"""`vm-export`: the whole VM as an XVA."""

from vmbackup.contracts import Export, Method, Scratch
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
    """Pair each disk of the snapshot with the one in the same place of the VM, which it was made from."""
    originals = {disk.position: disk for disk in vm.disks}
    return tuple((disk, originals.get(disk.position, disk)) for disk in snapshot.disks)
