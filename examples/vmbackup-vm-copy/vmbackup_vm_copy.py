"""A method of one's own, in full: each backup leaves a copy of the VM on another SR, which can be started."""

from collections.abc import Iterable
from datetime import UTC, datetime

from pydantic import Field

from vmbackup import VM, BackupError, Disk, Export, Method, PlanError, Plugin, Scratch, Settings, XvaCheck, hookimpl


class VmCopySettings(Settings):
    """Where the copies stand."""

    sr: str = Field(description="the SR that takes the copies, by UUID or name: not the one of the VMs", min_length=1)


class VmCopy(Method[VmCopySettings]):
    """A halted copy of the VM on another SR, and its image, for which each block of the copy is read."""

    name = "vm-copy"
    Settings = VmCopySettings

    def disks(self, vm: VM) -> tuple[Disk, ...]:
        """All but those whose names ask for no backup; each must have a snapshot, and lie somewhere else."""
        kept = tuple(disk for disk in vm.disks if not disk.unwanted)
        if not kept:
            raise PlanError("the VM has no disk that could be copied")
        if vm.usb:
            raise PlanError("a USB device is passed through to the VM: XAPI refuses to snapshot it")
        for disk in vm.disks:
            # XAPI refuses a snapshot for any disk of the VM, those that it would leave out among them.
            if disk.reset_on_boot:
                raise PlanError(f"the disk {disk.name!r} is reset at every boot: XAPI refuses to snapshot the VM")
        for disk in kept:
            if not disk.can_be_snapshotted:
                raise PlanError(f"the disk {disk.name!r} on {disk.sr.name!r} cannot be snapshotted")
            if self.settings.sr in {disk.sr.uuid, disk.sr.name}:
                raise PlanError(
                    f"the disk {disk.name!r} lies on {disk.sr.name!r} itself, which is to take the copy",
                    advice="Copy to an SR that is there when this one is not.",
                )
        return kept

    def keeps_copy_on(self, vm: VM) -> str | None:
        """On the SR of the settings, for every VM."""
        del vm
        return self.settings.sr

    def begin(self, scratch: Scratch, vm: VM, packing: str | None) -> Export:
        """Snapshot the VM, have the snapshot copied, and ask for the image of the copy, which proves it."""
        del packing
        kept = {disk.ref: disk for disk in self.disks(vm)}
        scratch.block_migration(vm)
        snapshot = scratch.snapshot_vm(vm, [disk for disk in vm.disks if disk.unwanted])
        originals = {disk.position: kept.get(disk.snapshot_of) for disk in snapshot.disks}
        copy = scratch.copy_vm(snapshot, self.settings.sr, f"{vm.name} (copy of {datetime.now(UTC):%Y-%m-%d})")
        pairs = [(disk, original) for disk in copy.disks if (original := originals.get(disk.position))]
        if not len(pairs) == len(copy.disks) == len(kept):
            raise BackupError(
                f"{vm.name}: the copy does not hold just the disks of the VM", advice="Run the job again."
            )
        sizes = {disk.uuid: disk.virtual_size for disk in copy.disks}
        return Export(
            handler="/export",
            query={"ref": copy.ref},
            image="image.xva",
            check=lambda: XvaCheck(sizes),
            disks=tuple(pairs),
            subject=copy.ref,
            exported="copy",
            stays=copy,
        )


@hookimpl
def vmbackup_register() -> Iterable[type[Plugin[Settings]]]:
    """Bring `vm-copy`."""
    return (VmCopy,)
