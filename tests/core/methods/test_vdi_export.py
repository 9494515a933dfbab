"""`vdi-export`: the disk at position 0, raw or as a VHD."""

import hashlib
from dataclasses import replace
from typing import Literal

import pytest
from pydantic import ValidationError
from tests.core.builders import disk
from tests.core.methods.proving import prove

from vmbackup.errors import ImageError, PlanError
from vmbackup.journal import Journal
from vmbackup.methods import vmbackup_register
from vmbackup.methods.vdi_export import VHD_LIMIT, VdiExport, VdiExportSettings
from vmbackup.methods.vm_export import VmExport
from vmbackup.models import VM
from vmbackup.simulator import Cut, Simulator
from vmbackup.xapi.scratch import PoolScratch
from vmbackup.xapi.session import Session


def _method(kind: Literal["raw", "vhd"] = "raw") -> VdiExport:
    return VdiExport("vdi-export", VdiExportSettings(format=kind))


def test_both_methods_come_by_the_hook() -> None:
    assert set(vmbackup_register()) == {VmExport, VdiExport}


def test_a_raw_disk(sim: Simulator, session: Session, journal: Journal, scratch: PoolScratch, vm: VM) -> None:
    export = _method().begin(scratch, vm, None)
    ((snapshot, original),) = export.disks
    assert original == vm.disks[0]
    assert (export.image, export.subject, export.packed) == ("disk-0.raw", vm.ref, None)
    data, evidence = prove(session, journal, export)
    assert len(data) == evidence.size == original.virtual_size
    assert hashlib.sha256(data).hexdigest() == sim.digest(snapshot.uuid)


def test_a_vhd(session: Session, journal: Journal, scratch: PoolScratch, vm: VM) -> None:
    export = _method("vhd").begin(scratch, vm, None)
    assert export.image == "disk-0.vhd"
    data, evidence = prove(session, journal, export)
    assert data.startswith(b"conectix")
    assert evidence.disks[0].virtual_size == vm.disks[0].virtual_size


@pytest.mark.parametrize("kind", ["raw", "vhd"])
def test_half_a_disk_is_none(
    sim: Simulator, *, session: Session, journal: Journal, scratch: PoolScratch, vm: VM, kind: Literal["raw", "vhd"]
) -> None:
    export = _method(kind).begin(scratch, vm, None)
    sim.faults.add(Cut(path="/export_raw_vdi", after=1 << 20, task="success"))
    with pytest.raises(ImageError):
        prove(session, journal, export)


def test_it_is_the_disk_at_position_0_and_no_other(vm: VM) -> None:
    of = replace(vm, disks=(disk(2, "xvda"), disk(0, "xvdb"), disk(1)))
    assert _method().disks(of) == (disk(0, "xvdb"),)
    assert _method().estimate(of) == disk(0).virtual_size


def test_without_a_disk_at_position_0_there_is_nothing_to_export(vm: VM) -> None:
    for disks in ((), (disk(1),), (disk(-1),)):
        with pytest.raises(PlanError, match="vdi-export needs a disk at position 0"):
            _method().disks(replace(vm, disks=disks))


def test_a_vhd_has_its_end(vm: VM) -> None:
    largest, larger = disk(size=VHD_LIMIT), disk(size=VHD_LIMIT + 512)
    assert _method("vhd").disks(replace(vm, disks=(largest,))) == (largest,)
    assert _method("raw").disks(replace(vm, disks=(larger,))) == (larger,)
    with pytest.raises(PlanError, match="2040 GiB") as caught:
        _method("vhd").disks(replace(vm, disks=(larger,)))
    assert caught.value.advice == "Export it raw."


def test_there_are_two_formats() -> None:
    with pytest.raises(ValidationError):
        VdiExportSettings.model_validate({"format": "qcow2"})
