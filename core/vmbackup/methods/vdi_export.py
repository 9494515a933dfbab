"""`vdi-export`: only the OS disk of a VM, as a raw or VHD image."""

from typing import Literal

from pydantic import Field

from vmbackup.contracts import Export, Method, Scratch
from vmbackup.errors import PlanError
from vmbackup.images import ImageCheck, RawCheck, VhdCheck
from vmbackup.models import VM, Disk
from vmbackup.settings import Settings

VHD_LIMIT = 2040 << 30


class VdiExportSettings(Settings):
    """What `[methods.vdi-export]` may say."""

    format: Literal["raw", "vhd"] = Field(default="raw", description="how the disk is stored; a VHD leaves holes out")


class VdiExport(Method[VdiExportSettings]):
    """Only the OS disk, disk 0, as a raw or VHD image, which `xe vdi-import` takes."""

    name = "vdi-export"
    Settings = VdiExportSettings

    def disks(self, vm: VM) -> tuple[Disk, ...]:
        """Disk 0: the one at userdevice 0, whatever the guest calls it.

        It is always a snapshot of it: nothing but a snapshot keeps a disk from being written to during its export.
        """
        found = tuple(disk for disk in vm.disks if disk.position == 0)
        if not found:
            raise PlanError("vdi-export needs a disk at position 0, and there is none")
        (disk,) = found
        if disk.unwanted:
            raise PlanError(
                f"the name of disk 0, {disk.name!r}, asks for no backup",
                advice="Exclude the VM from the job, or give the disk another name.",
            )
        if not disk.can_be_snapshotted:
            raise PlanError(
                f"disk 0, {disk.name!r} on {disk.sr.name!r} ({disk.sr.type}), cannot be snapshotted",
                advice="Back the VM up with vm-export while it is halted: that needs no snapshot.",
            )
        if self.settings.format == "vhd" and disk.virtual_size > VHD_LIMIT:
            raise PlanError("disk 0 is larger than the 2040 GiB of a VHD", advice="Export it raw.")
        return found

    def begin(self, scratch: Scratch, vm: VM, packing: str | None) -> Export:
        """Snapshot disk 0 and ask for its export (xapi: export_raw_vdi.ml)."""
        del packing  # a host compresses whole VMs only
        (original,) = self.disks(vm)
        scratch.block_migration(vm)
        snapshot = scratch.snapshot_disk(original)

        def check() -> ImageCheck:
            size = snapshot.virtual_size
            return VhdCheck(size) if self.settings.format == "vhd" else RawCheck(size)

        return Export(
            handler="/export_raw_vdi",
            query={"vdi": snapshot.ref, "format": self.settings.format},
            image=f"disk-0.{self.settings.format}",
            check=check,
            disks=((snapshot, original),),
            subject=vm.ref,
        )
