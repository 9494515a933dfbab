from pathlib import Path

import pytest
from tests.core.simulator.client import Client, Refused

from vmbackup.simulator import CallFails, DiskSpec, Simulator

MIB = 1 << 20
NULL = "OpaqueRef:NULL"


def refused(xapi: Client, method: str, *params: object) -> list[str]:
    with pytest.raises(Refused) as caught:
        xapi(method, *params)
    return caught.value.details


@pytest.fixture
def vm(sim: Simulator, xapi: Client) -> str:
    return xapi.vm(sim.add_vm("a", [DiskSpec(2 * MIB, seed=1), DiskSpec(MIB, seed=2)], memory=8 * MIB))


@pytest.mark.parametrize("how", ["clone", "copy"])
def test_a_copy_of_a_vm_is_a_vm_of_its_own(sim: Simulator, xapi: Client, vm: str, how: str) -> None:
    assert refused(xapi, "VM.clone", vm, "x") == ["VM_BAD_POWER_STATE", vm, "halted", "running"]
    xapi("VM.hard_shutdown", vm)
    made = xapi("VM.clone", vm, "b") if how == "clone" else xapi("VM.copy", vm, "b", NULL)
    record, source = xapi("VM.get_record", made), xapi("VM.get_record", vm)
    assert (record["name_label"], record["is_a_template"], record["is_a_snapshot"]) == ("b", False, False)
    assert (record["snapshot_of"], record["parent"]) == (NULL, NULL)
    assert record["other_config"]["mac_seed"] != source["other_config"]["mac_seed"]
    macs = [xapi("VIF.get_MAC", one["VIFs"][0]) for one in (record, source)]
    assert macs[0] != macs[1]
    pairs = list(zip(xapi.disks(made), xapi.disks(vm), strict=True))
    assert len(pairs) == 2
    for new, old in pairs:
        assert sim.same(new["uuid"], old["uuid"])
        assert ("vhd-parent" in new["sm_config"]) == (how == "clone")
    xapi("VM.destroy", vm)
    xapi.start(made)


def test_a_copy_on_another_repository(sim: Simulator, xapi: Client, vm: str) -> None:
    xapi("VM.set_ha_restart_priority", vm, "restart")
    snap = xapi("VM.snapshot", vm, "s")
    xapi("VM.set_is_a_template", snap, False)  # noqa: FBT003 - the call's own parameter
    for disk in xapi.disks(snap):
        xapi("VDI.add_to_other_config", xapi("VDI.get_by_uuid", disk["uuid"]), "mark", disk["uuid"])
    there = xapi("SR.get_by_uuid", sim.add_sr("vault"))
    discs = xapi("SR.get_by_uuid", sim.add_sr("discs", type="iso"))
    assert refused(xapi, "VM.copy", snap, "b", discs)[0] == "OPERATION_NOT_ALLOWED"
    made = xapi("VM.copy", snap, "b", there)
    record = xapi("VM.get_record", made)
    assert (record["is_a_snapshot"], record["is_a_template"], record["power_state"]) == (False, False, "Halted")
    assert (record["ha_restart_priority"], record["ha_always_run"]) == ("restart", False)
    for new, old in zip(xapi.disks(made), xapi.disks(snap), strict=True):
        assert (new["SR"], new["is_a_snapshot"], new["other_config"]) == (there, False, {"mark": old["uuid"]})
        assert sim.same(new["uuid"], old["uuid"])
    where = [disk["SR"] for disk in xapi.disks(xapi("VM.copy", snap, "c", "OpaqueRef:nothing"))]
    assert where == [disk["SR"] for disk in xapi.disks(snap)]


def test_a_snapshot_can_be_cloned_while_it_is_exported(sim: Simulator, xapi: Client, vm: str) -> None:
    snap = xapi("VM.snapshot", vm, "s")
    with sim.editing() as pool:
        pool.db.set("VM", snap, current_operations={"t": "export"})
    made = xapi("VM.clone", snap, "from the snapshot")
    assert (xapi("VM.get_is_a_template", made), xapi("VM.get_is_a_snapshot", made)) == (True, False)


def test_a_checkpoint_holds_the_memory(sim: Simulator, xapi: Client, vm: str) -> None:
    made = xapi("VM.checkpoint", vm, "c")
    record = xapi("VM.get_record", made)
    assert (record["power_state"], record["is_a_snapshot"], record["snapshot_of"]) == ("Suspended", True, vm)
    assert record["snapshot_info"]["power-state-at-snapshot"] == "Running"
    assert xapi("VDI.get_type", record["suspend_VDI"]) == "suspend"
    assert all(xapi("VBD.get_currently_attached", vbd) for vbd in record["VBDs"])
    assert (xapi("VM.get_power_state", vm), xapi("VM.get_parent", vm)) == ("Running", made)
    assert "VM_CHECKPOINTED" in [message["name"] for message in sim.records("message").values()]
    assert set(record["allowed_operations"]) >= {"hard_shutdown", "revert", "export", "destroy"}
    xapi("VM.hard_shutdown", made)
    assert xapi("VM.get_suspend_VDI", made) == NULL


def test_a_checkpoint_needs_its_licence(sim: Simulator, xapi: Client, vm: str) -> None:
    with sim.editing() as pool:
        (ref,) = pool.db.table("pool")
        pool.db.set("pool", ref, restrictions={"restrict_checkpoint": "true"})
    assert refused(xapi, "VM.checkpoint", vm, "c") == ["LICENCE_RESTRICTION", "Checkpoint"]


def test_a_checkpoint_that_fails_leaves_nothing(sim: Simulator, xapi: Client, vm: str) -> None:
    before = sim.records("VDI").keys()
    with sim.editing() as pool:
        pool.db.set("VDI", xapi.disks(vm)[1]["ref"], sm_config={"vdi_type": "raw"})
    assert refused(xapi, "VM.checkpoint", vm, "c")[0] == "SR_OPERATION_NOT_SUPPORTED"
    assert sim.records("VDI").keys() == before


@pytest.mark.parametrize(("profile", "code"), [("xcpng83", "MESSAGE_REMOVED"), ("xs71", "VM_SNAPSHOT_WITH_QUIESCE_NO")])
def test_nothing_is_quiesced(tmp_path: Path, profile: str, code: str) -> None:
    with Simulator(tmp_path, tls=False, profile=profile) as sim:
        xapi = Client(sim)
        vm = xapi.vm(sim.add_vm("a"))
        assert refused(xapi, "VM.snapshot_with_quiesce", vm, "q")[0].startswith(code)


def test_gpus_are_copied_to_a_snapshot(sim: Simulator, xapi: Client, vm: str) -> None:
    with sim.editing() as pool:
        pool.db.create("VGPU", {"VM": vm, "currently_attached": True})
    snap = xapi("VM.snapshot", vm, "s")
    (gpu,) = xapi("VM.get_VGPUs", snap)
    assert xapi("VGPU.get_currently_attached", gpu) is False


def test_a_revert_brings_disks_and_fields_back(sim: Simulator, xapi: Client, vm: str) -> None:
    before = [sim.digest(disk["uuid"]) for disk in xapi.disks(vm)]
    xapi("VM.hard_shutdown", vm)
    snap = xapi("VM.snapshot", vm, "s")
    held = [sim.digest(disk["uuid"]) for disk in xapi.disks(snap)]
    old = xapi.disks(vm)
    xapi("VM.set_name_description", vm, "changed since")
    xapi.start(vm)
    xapi("VM.snapshot", vm, "later")
    count = len(sim.records("VDI"))
    xapi("VM.revert", snap)
    record = xapi("VM.get_record", vm)
    assert (record["power_state"], record["name_description"], record["parent"]) == ("Halted", "", snap)
    disks = xapi.disks(vm)
    assert [sim.digest(disk["uuid"]) for disk in disks] == held
    assert len(before) == 2
    assert not {disk["ref"] for disk in disks} & {disk["ref"] for disk in old}
    assert not {disk["ref"] for disk in old} & sim.records("VDI").keys()
    assert [disk["snapshot_of"] for disk in xapi.disks(snap)] == [disk["ref"] for disk in disks]
    assert "VM_SNAPSHOT_REVERTED" in [message["name"] for message in sim.records("message").values()]
    assert len(sim.records("VDI")) <= count
    xapi.start(vm)


def test_a_revert_to_a_checkpoint_is_suspended_as_it_was(sim: Simulator, xapi: Client, vm: str) -> None:
    point = xapi("VM.checkpoint", vm, "c")
    xapi("VM.revert", point)
    assert xapi("VM.get_power_state", vm) == "Suspended"
    assert xapi("VM.get_suspend_VDI", vm) not in {NULL, xapi("VM.get_suspend_VDI", point)}
    xapi("VM.resume", vm, *(False, False))


def test_a_revert_makes_a_vm_that_is_gone_anew(sim: Simulator, xapi: Client, vm: str) -> None:
    xapi("VM.hard_shutdown", vm)
    snap = xapi("VM.snapshot", vm, "s")
    xapi("VM.destroy", vm)
    xapi("VM.revert", snap)
    made = xapi("VM.get_snapshot_of", snap)
    assert made != vm
    assert (xapi("VM.get_is_a_snapshot", made), xapi("VM.get_is_a_template", made)) == (False, False)
    assert len(xapi.disks(made)) == 2


def test_a_revert_that_does_not_fit_changes_nothing(sim: Simulator, xapi: Client, vm: str) -> None:
    snap = xapi("VM.snapshot", vm, "s")
    disks = [disk["ref"] for disk in xapi.disks(vm)]
    with sim.editing() as pool:
        pool.db.set("SR", xapi.disks(vm)[0]["SR"], physical_size=0)
    assert refused(xapi, "VM.revert", snap)[0] == "SR_BACKEND_FAILURE_44"
    assert [disk["ref"] for disk in xapi.disks(vm)] == disks
    sim.faults.add(CallFails(method="VM.revert", code="VM_REVERT_FAILED", params=(snap, vm)))
    assert refused(xapi, "VM.revert", snap) == ["VM_REVERT_FAILED", snap, vm]
    assert refused(xapi, "VM.revert", vm) == ["ONLY_REVERT_SNAPSHOT"]
