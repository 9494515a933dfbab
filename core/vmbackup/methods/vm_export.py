"""`vm-export`: the whole VM as an XVA."""

from typing import Literal

from pydantic import Field

from vmbackup.contracts import Export, Method, Scratch
from vmbackup.errors import BackupError, PlanError
from vmbackup.images import ImageCheck, PackedCheck, XvaCheck
from vmbackup.models import NO_BACKUP, VM, Disk
from vmbackup.settings import Settings

SUFFIXES = {"gzip": ".gz", "zstd": ".zst"}


class VmExportSettings(Settings):
    """What `[methods.vm-export]` may say."""

    halted: Literal["direct", "snapshot"] = Field(
        default="direct",
        description="how a halted VM is exported: as it is, which keeps it from starting meanwhile, or from a snapshot",
    )


class VmExport(Method[VmExportSettings]):
    """The whole VM with all its disks as an XVA, which `xe vm-import` takes.

    A halted VM is exported as it is: the pool itself keeps it from starting and changing until that is done
    (xapi: export.ml). Only a VM that shares a disk with another needs a snapshot even then, and one of whose disks some
    are left out.
    """

    name = "vm-export"
    packings = frozenset(SUFFIXES)
    Settings = VmExportSettings

    def disks(self, vm: VM) -> tuple[Disk, ...]:
        """All but those whose names ask for no backup. Raises PlanError if a snapshot is needed and cannot be had."""
        kept = tuple(disk for disk in vm.disks if not disk.unwanted)
        if not self._is_direct(vm):
            _check_snapshot(vm, kept)
        return kept

    def snapshots(self, vm: VM) -> tuple[Disk, ...]:
        """The disks of the backup, or none of a halted VM that is exported as it is."""
        disks = self.disks(vm)
        return () if self._is_direct(vm) else disks

    def begin(self, scratch: Scratch, vm: VM, packing: str | None) -> Export:
        """Ask for the export of a snapshot or of the halted VM (xapi: export.ml); it must hold exactly its disks."""
        kept = self.disks(vm)
        direct = self._is_direct(vm)
        if direct:
            source, pairs = vm, tuple((disk, disk) for disk in kept)
        else:
            scratch.block_migration(vm)
            source = scratch.snapshot_vm(vm, [disk for disk in vm.disks if disk.unwanted])
            pairs = _paired(source, vm, kept)
        expected = {disk.uuid: disk.virtual_size for disk, _ in pairs}

        def check() -> ImageCheck:
            whole = XvaCheck(expected)
            return PackedCheck(packing, whole) if packing else whole

        return Export(
            handler="/export",
            query={"ref": source.ref, **({"use_compression": packing} if packing else {})},
            image=f"image.xva{SUFFIXES[packing] if packing else ''}",
            check=check,
            disks=pairs,
            subject=source.ref,
            packed=packing,
            exported="vm" if direct else "snapshot",
        )

    def _is_direct(self, vm: VM) -> bool:
        alone = not any(disk.unwanted or disk.shared for disk in vm.disks)
        return self.settings.halted == "direct" and vm.power_state == "Halted" and alone


def _check_snapshot(vm: VM, kept: tuple[Disk, ...]) -> None:
    """Raise PlanError for what XAPI refuses a snapshot of a whole VM for (xapi: xapi_vm_lifecycle.ml)."""
    halt = "Halt the VM for its backups; a halted VM needs no snapshot."
    if vm.usb:
        raise PlanError(
            f"a USB device is passed through to the VM, which is {vm.power_state.lower()}: XAPI refuses to snapshot it",
            advice=f'Detach the device, or back up its OS disk alone (method = "vdi-export"). {halt}',
        )
    # XAPI looks at all disks of the VM, those that the snapshot would leave out among them.
    for disk in vm.disks:
        if disk.reset_on_boot:
            raise PlanError(
                f"the disk {disk.name!r} is reset at every boot (on-boot=reset): XAPI refuses to snapshot the VM",
                advice=halt,
            )
    for disk in kept:
        if not disk.can_be_snapshotted:
            kind = "is a raw volume" if disk.raw else f"lies on {disk.sr.name!r} ({disk.sr.type})"
            raise PlanError(
                f"the disk {disk.name!r} {kind}, and cannot be snapshotted",
                advice=f"Write {NO_BACKUP} into the disk's name to back up the VM without it. {halt}",
            )


def _paired(snapshot: VM, vm: VM, kept: tuple[Disk, ...]) -> tuple[tuple[Disk, Disk], ...]:
    """Pair each disk of the snapshot with the one that it was made from. Raises BackupError unless it has them all."""
    originals = {disk.ref: disk for disk in kept}
    pairs = tuple((disk, originals.pop(disk.snapshot_of, None)) for disk in snapshot.disks)
    strangers = [disk.name for disk, original in pairs if original is None]
    if missing := [disk.name for disk in originals.values()] + strangers:
        raise BackupError(
            f"{vm.name}: the snapshot does not hold just the disks of the VM: {', '.join(map(repr, missing))}",
            advice="Were disks attached or detached meanwhile? Run the job again.",
        )
    return tuple((disk, original) for disk, original in pairs if original is not None)
