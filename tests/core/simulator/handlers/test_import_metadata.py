from typing import Any

import pytest
from tests.core.simulator.client import Client

from vmbackup.simulator import DiskSpec, Simulator, TaskFails

MIB = 1 << 20
NULL = "OpaqueRef:NULL"


def store(xapi: Client, data: bytes, **query: str) -> dict[str, Any]:
    task = xapi.task()
    reply = xapi.put("/import_metadata", data, session_id=xapi.session, task_id=task, **query)
    assert reply.status == "HTTP/1.1 200 OK"
    return xapi.wait(task)


def made(task: dict[str, Any]) -> list[str]:
    assert task["status"] == "success", task["error_info"]
    return [part.partition("<")[0] for part in str(task["result"]).split("<value>") if part.startswith("OpaqueRef")]


@pytest.fixture
def vm(sim: Simulator, xapi: Client) -> str:
    return xapi.vm(sim.add_vm("a", [DiskSpec(MIB, seed=1), DiskSpec(MIB)], power_state="Halted"))


def metadata(xapi: Client, vm: str) -> bytes:
    return xapi.get("/export_metadata", session_id=xapi.session, ref=vm).body


def test_a_vm_is_made_around_the_disks_that_are_there(sim: Simulator, xapi: Client, vm: str) -> None:
    snap = xapi("VM.snapshot", vm, "s")
    data, disks = metadata(xapi, vm), sim.records("VDI").keys()
    assert len(made(store(xapi, data))) == 1
    (new,) = made(store(xapi, data))
    assert sim.records("VDI").keys() == disks
    assert [disk["ref"] for disk in xapi.disks(new)] == [disk["ref"] for disk in xapi.disks(vm)]
    assert xapi("VM.get_uuid", new) != xapi("VM.get_uuid", vm)
    (copied,) = xapi("VM.get_snapshots", new)
    assert (xapi("VM.get_snapshot_of", copied), xapi("VM.get_name_label", copied)) == (new, "s")
    assert copied != snap
    assert xapi("VM.get_current_operations", new) == {}


def test_a_suspended_vm_is_made_around_its_memory(sim: Simulator, xapi: Client) -> None:
    vm = xapi.vm(sim.add_vm("asleep", power_state="Suspended", memory=8 * MIB))
    (new,) = made(store(xapi, metadata(xapi, vm)))
    assert xapi("VM.get_power_state", new) == "Suspended"
    assert xapi("VM.get_suspend_VDI", new) == xapi("VM.get_suspend_VDI", vm)


def test_disks_are_mapped(sim: Simulator, xapi: Client, vm: str) -> None:
    data = metadata(xapi, vm)
    others = xapi.disks(xapi.vm(sim.add_vm("b", [DiskSpec(MIB), DiskSpec(MIB)], power_state="Halted")))
    old = xapi.disks(vm)
    mapping = {f"vdi:{one['uuid']}": other["uuid"] for one, other in zip(old, others, strict=True)}
    (new,) = made(store(xapi, data, **mapping))
    assert [disk["ref"] for disk in xapi.disks(new)] == [disk["ref"] for disk in others]
    for disk in old:
        xapi("VDI.destroy", disk["ref"])
    (new,) = made(store(xapi, data, **mapping))
    key = f"vdi:{old[0]['uuid']}"
    assert store(xapi, data, **{key: mapping[key]})["error_info"] == ["VDI_NOT_IN_MAP", old[1]["uuid"]]
    assert store(xapi, data)["error_info"] == ["IMPORT_ERROR_ATTACHED_DISKS_NOT_FOUND"]
    (bare,) = made(store(xapi, data, force="true"))
    assert xapi.disks(bare) == []


def test_a_dry_run_and_a_failure_leave_nothing(sim: Simulator, xapi: Client, vm: str) -> None:
    data = metadata(xapi, vm)
    before = {cls: sim.records(cls) for cls in ("VM", "VDI", "VBD", "VIF", "VM_metrics")}
    assert made(store(xapi, data, dry_run="true")) == []
    sim.faults.add(TaskFails(path="/import_metadata", code="IMPORT_ERROR"))
    assert store(xapi, data)["status"] == "failure"
    assert {cls: sim.records(cls) for cls in before} == before


def test_a_full_restore_keeps_the_uuid(sim: Simulator, xapi: Client, vm: str) -> None:
    data, uuid = metadata(xapi, vm), xapi("VM.get_uuid", vm)
    (new,) = made(store(xapi, data, restore="true"))
    assert (xapi("VM.get_uuid", new), xapi("VM.get_by_uuid", uuid)) == (uuid, new)
    assert not set(sim.records("VM")) & {vm}


def test_interfaces_keep_their_macs_in_a_full_restore_alone(xapi: Client, vm: str) -> None:
    def seed_and_macs(ref: str) -> tuple[str, list[str]]:
        record = xapi("VM.get_record", ref)
        return record["other_config"]["mac_seed"], [xapi("VIF.get_MAC", vif) for vif in record["VIFs"]]

    data, old = metadata(xapi, vm), seed_and_macs(vm)
    (new,) = made(store(xapi, data))
    seed, macs = seed_and_macs(new)
    assert (seed != old[0], len(macs), macs != old[1]) == (True, 1, True)
    xapi("VM.destroy", new)
    (restored,) = made(store(xapi, data, restore="true"))
    assert seed_and_macs(restored) == old


def test_a_dry_run_says_what_is_in_the_way_and_takes_nothing_away(xapi: Client, vm: str) -> None:
    data = metadata(xapi, vm)
    assert made(store(xapi, data, dry_run="true", restore="true")) == []
    assert xapi("VM.get_power_state", vm) == "Halted"
    xapi.start(vm)
    in_the_way = ["VM_BAD_POWER_STATE", vm, "halted", "running"]
    assert store(xapi, data, dry_run="true", restore="true")["error_info"] == in_the_way
    assert made(store(xapi, data, dry_run="true")) == []
    for disk in xapi.disks(vm):
        mapping = {f"vdi:{disk['uuid']}": "00000000-0000-0000-0000-000000000000"}
        assert store(xapi, data, dry_run="true", **mapping)["error_info"] == ["VDI_NOT_IN_MAP", disk["uuid"]]
