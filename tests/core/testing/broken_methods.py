"""Methods that are each wrong in one way, over ours; `BROKEN` names the promise that each breaks."""

from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar

from typing_extensions import Buffer

from vmbackup import VM, Disk, DiskEvidence, Evidence, Export, ImageCheck, PlanError, RawCheck, Scratch
from vmbackup.methods.vdi_export import VdiExport
from vmbackup.methods.vm_export import VmExport
from vmbackup.testing import MethodPromise, exporting
from vmbackup.xapi.scratch import PoolScratch

Ours = type[VmExport] | type[VdiExport]
BROKEN: dict[Ours, MethodPromise] = {}


def breaks(promise: MethodPromise) -> Callable[[Ours], Ours]:
    def note(kind: Ours) -> Ours:
        BROKEN[kind] = promise
        return kind

    return note


@breaks(exporting.plans_with_the_disks_of_the_vm)
class SnapshotsWhatItLeavesOut(VmExport):
    def snapshots(self, vm: VM) -> tuple[Disk, ...]:
        return vm.disks


@breaks(exporting.plans_with_the_disks_of_the_vm)
class ExpectsADisk(VdiExport):
    """Has no words for a VM without one."""

    def disks(self, vm: VM) -> tuple[Disk, ...]:
        return (vm.disks[0],)


@breaks(exporting.plans_with_the_disks_of_the_vm)
class AsksForLessEachTime(VmExport):
    seen: ClassVar[list[str]] = []

    def disks(self, vm: VM) -> tuple[Disk, ...]:
        self.seen.append(vm.uuid)
        return super().disks(vm)[: 3 - self.seen.count(vm.uuid)]


@breaks(exporting.backs_up_or_says_why_not)
class FindsOutTooLate(VdiExport):
    """Plans with VMs that it cannot back up."""

    def disks(self, vm: VM) -> tuple[Disk, ...]:
        try:
            return super().disks(vm)
        except PlanError:
            return ()


@breaks(exporting.backs_up_or_says_why_not)
class RefusesEverything(VmExport):
    def disks(self, vm: VM) -> tuple[Disk, ...]:
        raise PlanError(f"{vm.name!r} is not to my taste")


@breaks(exporting.holds_the_disks_that_it_names)
class HoldsOneOfAll(VdiExport):
    """Promises all disks, and exports the first."""

    def disks(self, vm: VM) -> tuple[Disk, ...]:
        super().disks(vm)
        return vm.disks

    def begin(self, scratch: Scratch, vm: VM, packing: str | None) -> Export:
        return VdiExport(self.label, self.settings).begin(scratch, vm, packing)


class Scrubbing(RawCheck):
    """Passes zeros on in the place of the first sector."""

    def feed(self, piece: Buffer) -> Buffer:
        kept = bytes(super().feed(piece))
        first, self.begun = not getattr(self, "begun", False), True
        return bytes(min(512, len(kept))) + kept[512:] if first else kept


@breaks(exporting.comes_back_as_it_was)
class ScrubsTheBootSector(VdiExport):
    """Stores other bytes than the pool has sent."""

    def begin(self, scratch: Scratch, vm: VM, packing: str | None) -> Export:
        export = super().begin(scratch, vm, packing)
        return replace(export, check=lambda: Scrubbing(export.disks[0][0].virtual_size))


@breaks(exporting.comes_back_as_it_was)
class ReadsTheLiveDisk(VdiExport):
    """Takes no snapshot, so that the pool refuses to export what is in use."""

    def begin(self, scratch: Scratch, vm: VM, packing: str | None) -> Export:
        export = super().begin(scratch, vm, packing)
        (original,) = self.disks(vm)
        return replace(
            export, query={**export.query, "vdi": original.ref}, disks=((original, original),), exported="vm"
        )


@breaks(exporting.leaves_the_pool_as_it_was)
class LeavesATag(VmExport):
    """Reaches past what it may do in the pool."""

    def begin(self, scratch: Scratch, vm: VM, packing: str | None) -> Export:
        assert isinstance(scratch, PoolScratch)
        scratch._session.call("VM.add_tags", vm.ref, "backed up")
        return super().begin(scratch, vm, packing)


class Patient(ImageCheck):
    """Passes everything on, and finds no fault with it."""

    def __init__(self, disk: Disk) -> None:
        self._disk, self._size = disk, 0

    def feed(self, piece: Buffer) -> Buffer:
        self._size += len(memoryview(piece))
        return piece

    def close(self) -> Evidence:
        seen = DiskEvidence(
            uuid=self._disk.uuid, virtual_size=self._disk.virtual_size, blocks=0, data_bytes=0, blocks_digest=""
        )
        return Evidence("raw", self._size, (seen,))


@breaks(exporting.fails_cleanly)
class TakesWhatComes(VdiExport):
    """Checks nothing of an image."""

    def begin(self, scratch: Scratch, vm: VM, packing: str | None) -> Export:
        export = super().begin(scratch, vm, packing)
        return replace(export, check=lambda: Patient(export.disks[0][0]))


@breaks(exporting.has_the_host_compress)
class LeavesItToNobody(VmExport):
    """Says that the host can compress, and does not ask it."""

    def begin(self, scratch: Scratch, vm: VM, packing: str | None) -> Export:
        return super().begin(scratch, vm, None)


@breaks(exporting.keeps_one_proven_copy)
class SaysThatItKeepsACopy(VmExport):
    """And has none made."""

    def keeps_copy_on(self, vm: VM) -> str | None:
        return vm.disks[0].sr.uuid if vm.disks else None


@breaks(exporting.keeps_one_proven_copy)
class KeepsACopyThatItDoesNotExport(VmExport):
    """Exports the VM itself, which proves nothing of the copy."""

    def keeps_copy_on(self, vm: VM) -> str | None:
        return vm.disks[0].sr.uuid if vm.disks else None

    def begin(self, scratch: Scratch, vm: VM, packing: str | None) -> Export:
        copy = scratch.copy_vm(scratch.snapshot_vm(vm), vm.disks[0].sr.uuid, "copy")
        return replace(super().begin(scratch, vm, packing), stays=copy)
