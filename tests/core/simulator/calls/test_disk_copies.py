import pytest
from tests.core.simulator.client import Client, Refused

from vmbackup.simulator import DiskSpec, Simulator

MIB = 1 << 20


def refused(xapi: Client, method: str, *params: object) -> list[str]:
    with pytest.raises(Refused) as caught:
        xapi(method, *params)
    return caught.value.details


@pytest.fixture
def disk(sim: Simulator, xapi: Client) -> dict[str, object]:
    vm = xapi.vm(sim.add_vm("a", [DiskSpec(4 * MIB, seed=1, fill=1.0, name="d")], power_state="Halted"))
    return xapi.disks(vm)[0]


def test_a_clone_is_writable_and_shares_a_base(sim: Simulator, xapi: Client, disk: dict[str, str]) -> None:
    made = xapi("VDI.get_record", xapi("VDI.clone", disk["ref"]))
    assert (made["name_label"], made["is_a_snapshot"], made["managed"]) == ("d", False, True)
    assert sim.same(made["uuid"], disk["uuid"])
    assert made["sm_config"]["vhd-parent"] == xapi("VDI.get_sm_config", disk["ref"])["vhd-parent"]


def test_a_clone_of_a_snapshot_makes_no_chain_longer(sim: Simulator, xapi: Client, disk: dict[str, str]) -> None:
    snap = xapi("VDI.snapshot", disk["ref"])
    before = len(sim.records("VDI"))
    xapi("VDI.clone", snap)
    assert len(sim.records("VDI")) == before + 1


def test_a_copy_goes_anywhere_and_stands_alone(sim: Simulator, xapi: Client, disk: dict[str, str]) -> None:
    (local,) = [ref for ref, sr in sim.records("SR").items() if sr["name_label"] == "Local storage"]
    made = xapi("VDI.get_record", xapi("VDI.copy", disk["ref"], local))
    assert (made["SR"], made["sm_config"]) == (local, {})
    assert sim.same(made["uuid"], disk["uuid"])


def test_a_copy_onto_another_disk(sim: Simulator, xapi: Client, disk: dict[str, str]) -> None:
    null = "OpaqueRef:NULL"
    target = xapi.disks(xapi.vm(sim.add_vm("b", [DiskSpec(4 * MIB)], power_state="Halted")))[0]
    assert xapi("VDI.copy", disk["ref"], null, null, target["ref"]) == target["ref"]
    assert sim.same(target["uuid"], disk["uuid"])
    small = xapi.disks(xapi.vm(sim.add_vm("c", [DiskSpec(MIB)], power_state="Halted")))[0]["ref"]
    assert refused(xapi, "VDI.copy", disk["ref"], null, null, small) == ["VDI_TOO_SMALL", small, str(4 * MIB)]
    snap = xapi("VDI.snapshot", target["ref"])
    assert refused(xapi, "VDI.copy", disk["ref"], null, null, snap) == ["VDI_READONLY", snap]


def test_a_disk_grows_and_never_shrinks(sim: Simulator, xapi: Client, disk: dict[str, str]) -> None:
    xapi("VDI.resize", disk["ref"], str(6 * MIB))
    assert xapi("VDI.get_virtual_size", disk["ref"]) == str(6 * MIB)
    assert sim.disk_path(disk["uuid"]).stat().st_size == 6 * MIB
    assert refused(xapi, "VDI.resize", disk["ref"], str(MIB))[0] == "SR_BACKEND_FAILURE_79"
