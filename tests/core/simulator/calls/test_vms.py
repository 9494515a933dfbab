from typing import Any

import pytest
from tests.core.simulator.client import Client, Refused

from vmbackup.simulator import CallFails, DiskSpec, Simulator

MIB = 1 << 20
NULL = "OpaqueRef:NULL"
NOT_PAUSED = (False, False)
MARKED = (True,)


def refused(xapi: Client, method: str, *params: object) -> list[str]:
    with pytest.raises(Refused) as caught:
        xapi(method, *params)
    return caught.value.details


def machine(sim: Simulator, xapi: Client, **more: Any) -> str:
    disks = [DiskSpec(3 * MIB, seed=1, name="os"), DiskSpec(2 * MIB + 512, seed=2)]
    return xapi.vm(sim.add_vm("web", disks, tags=["PROD"], description="text", other_config={"a": "b"}, **more))


def test_a_snapshot_copies_what_a_real_one_copies(sim: Simulator, xapi: Client) -> None:
    vm = machine(sim, xapi)
    source = xapi("VM.get_record", vm)
    snap = xapi("VM.snapshot", vm, "the snapshot")
    record = xapi("VM.get_record", snap)
    assert record["name_label"] == "the snapshot"
    assert (record["is_a_snapshot"], record["is_a_template"], record["is_default_template"]) == (True, True, False)
    assert (record["snapshot_of"], record["power_state"]) == (vm, "Halted")
    assert record["snapshot_time"].value > "2026"
    expected = {"power-state-at-snapshot": "Running", "disk-snapshot-type": "crash_consistent"}
    assert record["snapshot_info"] == expected
    for name in ("tags", "name_description", "other_config", "platform", "memory_static_max", "affinity"):
        assert record[name] == source[name]
    for name in ("resident_on", "appliance", "snapshot_schedule", "suspend_SR", "suspend_VDI"):
        assert record[name] == NULL
    assert record["uuid"] != source["uuid"]
    assert record["metrics"] not in {source["metrics"], NULL}
    assert f"('uuid' '{source['uuid']}')" in record["snapshot_metadata"]
    assert xapi("VM.get_snapshots", vm) == [snap]


def test_snapshots_stand_in_a_tree(sim: Simulator, xapi: Client) -> None:
    vm = machine(sim, xapi)
    first = xapi("VM.snapshot", vm, "1")
    second = xapi("VM.snapshot", vm, "2")
    assert (xapi("VM.get_parent", first), xapi("VM.get_children", first)) == (NULL, [second])
    assert (xapi("VM.get_parent", second), xapi("VM.get_children", second)) == (first, [vm])
    xapi("VM.destroy", second)
    assert (xapi("VM.get_parent", vm), xapi("VM.get_children", first)) == (first, [vm])
    assert xapi("VM.get_snapshots", vm) == [first]


def test_the_drives_of_a_snapshot_are_copies_with_an_owner(sim: Simulator, xapi: Client) -> None:
    vm = machine(sim, xapi)
    snap = xapi("VM.snapshot", vm, "s")
    own = [xapi("VBD.get_record", vbd) for vbd in xapi("VM.get_VBDs", vm)]
    copied = [xapi("VBD.get_record", vbd) for vbd in xapi("VM.get_VBDs", snap)]
    assert [drive["userdevice"] for drive in copied] == [drive["userdevice"] for drive in own]
    for old, new in zip(own, copied, strict=True):
        assert (new["type"], new["empty"], new["currently_attached"]) == (old["type"], old["empty"], False)
        if old["type"] == "CD":
            assert new["VDI"] == NULL
            continue
        assert "owner" in new["other_config"]
        disk = xapi("VDI.get_record", new["VDI"])
        assert (disk["is_a_snapshot"], disk["snapshot_of"]) == (True, old["VDI"])
        assert disk["name_label"] == xapi("VDI.get_name_label", old["VDI"])
        assert xapi("VDI.get_snapshots", old["VDI"]) == [new["VDI"]]


def test_a_snapshot_keeps_the_mac_addresses(sim: Simulator, xapi: Client) -> None:
    vm = machine(sim, xapi, networks=2)
    snap = xapi("VM.snapshot", vm, "s")
    macs = [[xapi("VIF.get_MAC", vif) for vif in xapi("VM.get_VIFs", one)] for one in (vm, snap)]
    assert macs[0] == macs[1]
    assert len(set(macs[0])) == 2


def test_an_inserted_disc_is_shared_with_the_snapshot(sim: Simulator, xapi: Client) -> None:
    vm = machine(sim, xapi, cd=False)
    (iso,) = [ref for ref, disk in sim.records("VDI").items() if disk["is_tools_iso"]]
    drive = {"VM": vm, "VDI": iso, "userdevice": "3", "bootable": False, "mode": "RO", "type": "CD", "empty": False}
    xapi("VBD.create", {**drive, "other_config": {}, "qos_algorithm_type": "", "qos_algorithm_params": {}})
    snap = xapi("VM.snapshot", vm, "s")
    discs = [vbd for vbd in xapi("VM.get_VBDs", snap) if xapi("VBD.get_type", vbd) == "CD"]
    assert [xapi("VBD.get_VDI", vbd) for vbd in discs] == [iso]
    (pbd,) = xapi("SR.get_PBDs", xapi("VDI.get_SR", iso))
    with sim.editing() as pool:
        pool.db.set("PBD", pbd, currently_attached=False)
    assert refused(xapi, "VM.snapshot", vm, "t") == ["NO_HOSTS_AVAILABLE"]


def test_disks_may_be_left_out_of_a_snapshot(sim: Simulator, xapi: Client) -> None:
    vm = machine(sim, xapi)
    first, second = xapi.disks(vm)
    snap = xapi("VM.snapshot", vm, "s", [second["ref"]])
    assert [disk["snapshot_of"] for disk in xapi.disks(snap)] == [first["ref"]]


def test_a_snapshot_that_fails_leaves_no_disk_behind(sim: Simulator, xapi: Client) -> None:
    vm = machine(sim, xapi)
    with sim.editing() as pool:
        broken = xapi.disks(vm)[1]
        pool.db.set("VDI", broken["ref"], managed=False)
    before = sim.records("VDI").keys()
    assert refused(xapi, "VM.snapshot", vm, "s")[0] == "VDI_NOT_MANAGED"
    assert sim.records("VDI").keys() == before
    assert xapi("VM.get_snapshots", vm) == []


def test_destroying_a_vm_leaves_its_disks(sim: Simulator, xapi: Client) -> None:
    vm = machine(sim, xapi)
    snap = xapi("VM.snapshot", vm, "s")
    disks = xapi.disks(snap)
    record, macs = xapi("VM.get_record", snap), len(sim.records("VIF"))
    xapi("VM.destroy", snap)
    assert refused(xapi, "VM.get_record", snap) == ["HANDLE_INVALID", "VM", snap]
    assert len(sim.records("VIF")) == macs - 1
    assert not {record["metrics"]} & sim.records("VM_metrics").keys()
    assert not set(record["VBDs"]) & sim.records("VBD").keys()
    for disk in disks:
        assert xapi("VDI.get_VBDs", disk["ref"]) == []
        assert sim.disk_path(disk["uuid"]).exists()
        xapi("VDI.destroy", disk["ref"])
        assert not sim.disk_path(disk["uuid"]).exists()


def test_a_snapshot_outlives_its_vm(sim: Simulator, xapi: Client) -> None:
    vm = machine(sim, xapi, power_state="Halted")
    snap = xapi("VM.snapshot", vm, "s")
    xapi("VM.destroy", vm)
    assert xapi("VM.get_snapshot_of", snap) == vm


def test_unmarking_a_snapshot_works_one_way(sim: Simulator, xapi: Client) -> None:
    snap = xapi("VM.snapshot", machine(sim, xapi), "s")
    xapi.set_is_a_template(snap, value=False)
    assert (xapi("VM.get_is_a_template", snap), xapi("VM.get_is_a_snapshot", snap)) == (False, True)
    assert refused(xapi, "VM.set_is_a_template", snap, *MARKED) == ["VM_IS_SNAPSHOT", snap, "make_into_template"]
    running = machine(sim, xapi)
    assert refused(xapi, "VM.set_is_a_template", running, *MARKED) == [
        "VM_BAD_POWER_STATE",
        running,
        "halted",
        "running",
    ]


def test_power_states_are_checked_with_the_wires_words(sim: Simulator, xapi: Client) -> None:
    vm = machine(sim, xapi)
    assert refused(xapi, "VM.destroy", vm) == ["VM_BAD_POWER_STATE", vm, "halted, suspended", "running"]
    assert refused(xapi, "VM.start", vm, *NOT_PAUSED) == ["VM_BAD_POWER_STATE", vm, "halted", "running"]
    xapi("VM.clean_shutdown", vm)
    assert xapi("VM.get_power_state", vm) == "Halted"
    assert not any(xapi("VBD.get_currently_attached", vbd) for vbd in xapi("VM.get_VBDs", vm))
    xapi.start(vm)
    assert (xapi("VM.get_power_state", vm), xapi("VM.get_resident_on", vm)) == ("Running", xapi("host.get_all")[0])
    xapi("VM.hard_shutdown", vm)
    assert xapi("VM.get_resident_on", vm) == NULL


def test_blocked_operations_come_first(sim: Simulator, xapi: Client) -> None:
    vm = machine(sim, xapi)
    xapi("VM.add_to_blocked_operations", vm, "destroy", "keep it")
    assert refused(xapi, "VM.destroy", vm) == ["OPERATION_BLOCKED", vm, "keep it"]
    assert refused(xapi, "VM.assert_operation_valid", vm, "destroy") == ["OPERATION_BLOCKED", vm, "keep it"]
    snap = xapi("VM.snapshot", vm, "s")
    assert xapi("VM.get_blocked_operations", snap) == {}
    xapi("VM.add_to_blocked_operations", snap, "destroy", "under export")
    assert "destroy" not in xapi("VM.get_allowed_operations", snap)
    xapi("VM.remove_from_blocked_operations", snap, "destroy")
    assert "destroy" in xapi("VM.get_allowed_operations", snap)
    xapi("VM.update_allowed_operations", snap)


def test_a_vm_is_made_of_a_whole_record(sim: Simulator, xapi: Client) -> None:
    record = dict(xapi("VM.get_record", machine(sim, xapi)), name_label="copy")
    made = xapi("VM.create", record)
    new = xapi("VM.get_record", made)
    assert (new["name_label"], new["power_state"], new["VBDs"]) == ("copy", "Halted", [])
    assert new["uuid"] != record["uuid"]
    del record["PV_args"]
    missing = 'Server_helpers.Dispatcher_FieldNotFound("PV_args")'
    assert refused(xapi, "VM.create", record) == ["INTERNAL_ERROR", missing]


def test_a_built_in_template_cannot_be_destroyed(sim: Simulator, xapi: Client) -> None:
    vm = machine(sim, xapi, power_state="Halted")
    with sim.editing() as pool:
        pool.db.set("VM", vm, is_a_template=True, is_default_template=True)
    assert refused(xapi, "VM.destroy", vm) == ["VM_CANNOT_DELETE_DEFAULT_TEMPLATE", vm]


def test_a_call_fails_when_a_rule_says_so(sim: Simulator, xapi: Client) -> None:
    vm = machine(sim, xapi)
    sim.faults.add(CallFails(method="VM.snapshot", nth=2, code="SR_BACKEND_FAILURE_109", params=("", "too long", "")))
    first = xapi("VM.snapshot", vm, "1")
    assert refused(xapi, "VM.snapshot", vm, "2") == ["SR_BACKEND_FAILURE_109", "", "too long", ""]
    third = xapi("VM.snapshot", vm, "3")
    assert set(xapi("VM.get_snapshots", vm)) == {first, third}
