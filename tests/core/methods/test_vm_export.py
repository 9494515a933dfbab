"""`vm-export`: the whole VM; the image must hold exactly the snapshot's disks."""

from dataclasses import replace

import pytest
from tests.core.builders import disk
from tests.core.methods.proving import prove

from vmbackup.errors import BackupError, ImageError
from vmbackup.journal import Journal
from vmbackup.methods.vm_export import VmExport, VmExportSettings
from vmbackup.models import VM
from vmbackup.simulator import Simulator
from vmbackup.xapi.scratch import PoolScratch
from vmbackup.xapi.session import Session

METHOD = VmExport("vm-export", VmExportSettings())
MAGIC = {None: b"ova.xml", "gzip": b"\x1f\x8b", "zstd": b"\x28\xb5\x2f\xfd"}


@pytest.mark.parametrize(("packing", "suffix"), [(None, ""), ("gzip", ".gz"), ("zstd", ".zst")])
def test_a_whole_vm(
    session: Session, *, journal: Journal, scratch: PoolScratch, vm: VM, packing: str | None, suffix: str
) -> None:
    export = METHOD.begin(scratch, vm, packing)
    assert export.image == f"image.xva{suffix}"
    assert export.packed == packing
    assert export.query.get("use_compression") == packing
    assert export.subject == export.query["ref"]
    assert [original for _, original in export.disks] == list(vm.disks)
    data, evidence = prove(session, journal, export)
    assert data.startswith(MAGIC[packing])
    assert sorted(seen.uuid for seen in evidence.disks) == sorted(snapshot.uuid for snapshot, _ in export.disks)


def test_a_vm_without_disks(sim: Simulator, session: Session, journal: Journal, scratch: PoolScratch, vm: VM) -> None:
    with sim.editing() as pool:
        for ref in [ref for ref, record in pool.db.table("VBD").items() if record["VM"] == vm.ref]:
            pool.db.delete("VBD", ref)
    export = METHOD.begin(scratch, replace(vm, disks=()), None)
    assert prove(session, journal, export)[1].disks == ()


def test_a_disk_that_the_snapshot_has_and_the_image_has_not(
    sim: Simulator, session: Session, journal: Journal, scratch: PoolScratch, vm: VM
) -> None:
    export = METHOD.begin(scratch, vm, None)
    (lost,) = [snapshot for snapshot, original in export.disks if original.position == 1]
    with sim.editing() as pool:
        for ref in list(pool.db.get("VDI", lost.ref)["VBDs"]):
            pool.db.delete("VBD", ref)
    with pytest.raises(ImageError, match=f"the disk with uuid {lost.uuid} is missing"):
        prove(session, journal, export)


def test_every_stream_has_a_check_of_its_own(scratch: PoolScratch, vm: VM) -> None:
    export = METHOD.begin(scratch, vm, None)
    assert export.check() is not export.check()


def test_a_snapshot_that_holds_other_disks_than_the_vm_is_refused(scratch: PoolScratch, vm: VM) -> None:
    """Disks that came or went between the look at the VM and its snapshot: neither may be missed in silence."""
    for disks, odd in ((vm.disks[:1], vm.disks[1].name), ((*vm.disks, disk(9)), disk(9).name)):
        with pytest.raises(BackupError, match=f"does not hold just the disks of the VM: '{odd}'"):
            METHOD.begin(scratch, replace(vm, disks=disks), None)


def test_all_disks_count_for_the_estimate(vm: VM) -> None:
    assert METHOD.estimate(vm) == sum(one.virtual_size for one in vm.disks)
    assert METHOD.disks(replace(vm, disks=(disk(3), disk(7)))) == (disk(3), disk(7))
