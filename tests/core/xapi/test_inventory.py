"""The inventory: what is a VM, what is a disk, and that a pool's size costs no calls."""

import copy

import pytest
from tests.core.xapi.pool import MIB, login, tapped, vm_called

from vmbackup.simulator import CallFails, DiskSpec, Simulator
from vmbackup.xapi.inventory import CLASSES, assemble, position_of, read_inventory, read_pool
from vmbackup.xapi.session import Session
from vmbackup.xapi.wire import NULL


def test_the_pool(sim: Simulator, session: Session) -> None:
    (record,) = sim.records("pool").values()
    pool = read_pool(session)
    assert (pool.uuid, pool.name, pool.coordinator) == (record["uuid"], "simulated pool", "xcp-simulated")
    assert pool.default_sr == record["default_SR"]
    assert pool.product.startswith("XCP-ng ")
    assert pool.version


def test_a_pool_without_a_name_is_called_like_its_coordinator(sim: Simulator, session: Session) -> None:
    with sim.editing() as pool:
        pool.db.set("pool", next(iter(pool.db.table("pool"))), name_label="")
    assert read_pool(session).name == "xcp-simulated"


def test_a_vm_with_its_disks_and_interfaces(sim: Simulator, session: Session) -> None:
    sim.add_vm(
        "db",
        [DiskSpec(size) for size in (4 * MIB, 3 * MIB, 2 * MIB, MIB)],
        tags=["gold"],
        description="the database",
        memory=3 << 30,
        vcpus=5,
        networks=2,
        other_config={"base_template_name": "Rocky 9"},
    )
    vm = vm_called(session, "db")
    assert [disk.position for disk in vm.disks] == [0, 1, 2, 4], "the CD drive is left out"
    assert [disk.virtual_size for disk in vm.disks] == [4 * MIB, 3 * MIB, 2 * MIB, MIB]
    assert [disk.device for disk in vm.disks] == ["xvda", "xvdb", "xvdc", "xvde"]
    assert vm.vifs[0].network.startswith("Pool-wide network")
    assert len({vif.mac for vif in vm.vifs}) == 2
    assert (vm.memory, vm.vcpus_max, vm.tags, vm.base_template) == (3 << 30, 5, ("gold",), "Rocky 9")
    assert (vm.description, vm.power_state) == ("the database", "Running")
    (sr,) = [record["uuid"] for record in sim.records("SR").values() if record["name_label"] == "NFS storage"]
    assert {disk.sr.uuid for disk in vm.disks} == {sr}


def test_only_real_vms_in_the_order_of_their_names(sim: Simulator, session: Session) -> None:
    for name in ("zeta", "alpha"):
        sim.add_vm(name, power_state="Halted")
    session.call("VM.snapshot", vm_called(session, "web").ref, "a snapshot")
    unmarked = session.call("VM.snapshot", vm_called(session, "web").ref, "no template any more")
    value = False
    session.call("VM.set_is_a_template", unmarked, value)
    session.call("VM.set_is_a_template", vm_called(session, "zeta").ref, not value)
    assert [vm.name for vm in read_inventory(session, read_pool(session)).vms] == ["alpha", "web"]


def test_an_inserted_iso_is_no_disk(sim: Simulator, session: Session) -> None:
    (iso,) = [ref for ref, record in sim.records("VDI").items() if record["is_tools_iso"]]
    before = vm_called(session, "web").disks
    with sim.editing() as pool:
        (drive,) = [ref for ref, record in pool.db.table("VBD").items() if record["type"] == "CD"]
        pool.db.set("VBD", drive, VDI=iso, empty=False)
    assert vm_called(session, "web").disks == before
    with sim.editing() as pool:
        pool.db.set("VBD", drive, type="Disk")
    assert vm_called(session, "web").disks == before, "nor on a drive that calls itself a disk"


def test_a_pool_of_any_size_takes_as_many_calls(sim: Simulator) -> None:
    counts = []
    for more in (2, 57):
        for number in range(more):
            sim.add_vm(f"vm {more} {number}", [DiskSpec(MIB)], networks=2)
        with tapped(sim) as (tap, url), login(sim, url) as session:
            pool = read_pool(session)
            before = tap.calls
            found = read_inventory(session, pool)
            counts.append((len(found.vms), tap.calls - before))
    assert counts == [(3, len(CLASSES)), (60, len(CLASSES))]


@pytest.mark.parametrize(
    ("userdevice", "position"),
    [("0", 0), ("12", 12), ("xvda", 0), ("xvde", 4), ("hdc", 2), ("sdb", 1), ("autodetect", -1), ("", -1), ("xvd", -1)],
)
def test_the_place_of_a_disk_in_all_its_spellings(userdevice: str, position: int) -> None:
    assert position_of(userdevice) == position


def test_one_odd_drive_does_not_hide_the_other_vms(sim: Simulator, session: Session) -> None:
    sim.add_vm("odd", [DiskSpec(MIB), DiskSpec(2 * MIB)])
    with sim.editing() as pool:
        places = {"0": "xvda", "1": "floppy?"}
        for ref, record in pool.db.table("VBD").items():
            if pool.db.get("VM", record["VM"])["name_label"] == "odd" and record["type"] == "Disk":
                pool.db.set("VBD", ref, userdevice=places[record["userdevice"]])
    assert sorted(disk.position for disk in vm_called(session, "odd").disks) == [-1, 0]
    assert len(vm_called(session, "web").disks) == 2


def test_references_that_lead_nowhere(session: Session) -> None:
    """Records are read class by class, so that something may have gone between two of them."""
    tables = {name: copy.deepcopy(dict(session.records(name))) for name in CLASSES}
    whole = assemble(tables)
    (web,) = [record for record in tables["VM"].values() if record["name_label"] == "web"]
    bare = assemble({**tables, "SR": {}, "network": {}, "VM_guest_metrics": {}})
    assert [(vm.uuid, len(vm.disks), len(vm.vifs)) for vm in bare] == [(web["uuid"], 2, 1)]
    assert {disk.sr.uuid for disk in bare[0].disks} == {""}
    nothing = assemble({**tables, "VBD": {}, "VDI": {}, "VIF": {}})
    assert [(vm.uuid, vm.disks, vm.vifs) for vm in nothing] == [(web["uuid"], (), ())]
    unlinked = {ref: {**record, "VDI": NULL} for ref, record in tables["VBD"].items()}
    assert assemble({**tables, "VBD": unlinked})[0].disks == ()
    assert whole[0].disks


def test_a_member_of_a_pool_names_its_coordinator(sim: Simulator, session: Session) -> None:
    fault = CallFails(method="pool.get_all_records", code="HOST_IS_SLAVE", params=("192.0.2.7",), nth=None)
    sim.faults.add(fault)
    with pytest.raises(Exception, match="HOST_IS_SLAVE") as caught:
        read_pool(session)
    assert "192.0.2.7" in str(caught.value)
