import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.core.simulator.client import Client, Refused

from vmbackup.simulator import DiskSpec, Simulator

MIB = 1 << 20
TOO_LONG = ["SR_BACKEND_FAILURE_109", "", "The snapshot chain is too long", ""]
FULL = ["SR_BACKEND_FAILURE_44", "", "There is insufficient space", ""]


@pytest.fixture
def sim(tmp_path: Path) -> Any:
    with Simulator(tmp_path / "sim", tls=False, retry_seconds=0.3, coalesce_seconds=None) as running:
        yield running


def refused(xapi: Client, method: str, *params: object) -> list[str]:
    with pytest.raises(Refused) as caught:
        xapi(method, *params)
    return caught.value.details


def hidden(sim: Simulator) -> dict[str, dict[str, Any]]:
    return {ref: disk for ref, disk in sim.records("VDI").items() if not disk["managed"]}


def disk(sim: Simulator, xapi: Client, size: int = 4 * MIB, **more: Any) -> str:
    vm = xapi.vm(sim.add_vm("a", [DiskSpec(size, seed=1, fill=1.0)], **more))
    ref: str = xapi.disks(vm)[0]["ref"]
    return ref


def test_a_snapshot_leaves_a_base_copy_that_both_share(sim: Simulator, xapi: Client) -> None:
    vdi = disk(sim, xapi)
    before = xapi("VDI.get_physical_utilisation", vdi)
    snap = xapi("VDI.snapshot", vdi)
    ((base, record),) = hidden(sim).items()
    assert record["name_label"] == "base copy"
    assert sim.disk_path(record["uuid"]).exists()
    assert {xapi("VDI.get_sm_config", one)["vhd-parent"] for one in (vdi, snap)} == {record["uuid"]}
    assert xapi("VDI.get_physical_utilisation", base) == before
    assert all(int(xapi("VDI.get_physical_utilisation", one)) < MIB for one in (vdi, snap))
    assert refused(xapi, "VDI.destroy", base) == ["VDI_NOT_MANAGED", base]
    assert xapi("VDI.get_allowed_operations", base) == []


def test_chains_grow_until_they_are_coalesced(sim: Simulator, xapi: Client) -> None:
    vdi = disk(sim, xapi, size=4096, power_state="Halted")
    for number in range(29):
        snap = xapi("VDI.snapshot", vdi)
        if number:
            xapi("VDI.destroy", snap)
    assert refused(xapi, "VDI.snapshot", vdi) == TOO_LONG
    assert len(hidden(sim)) == 29
    digest = sim.digest(xapi("VDI.get_uuid", vdi))
    assert sim.coalesce() == 28
    assert len(hidden(sim)) == 1
    assert sim.digest(xapi("VDI.get_uuid", vdi)) == digest
    assert {path.stem for path in sim.disk_path("x").parent.iterdir()} == {
        record["uuid"] for record in sim.records("VDI").values()
    }
    assert xapi("VDI.snapshot", vdi)


def test_a_disk_is_what_it_was_when_its_chain_is_coalesced(sim: Simulator, xapi: Client) -> None:
    vdi = disk(sim, xapi)
    xapi("SR.scan", xapi("VDI.get_SR", vdi))
    before = sim.records("VDI")
    xapi("VDI.destroy", xapi("VDI.snapshot", vdi))
    assert sim.records("VDI") != before
    assert sim.coalesce() == 1
    after = sim.records("VDI")
    assert after[vdi]["sm_config"] == before[vdi]["sm_config"]
    assert after == before


def test_a_disk_may_ask_not_to_be_coalesced(sim: Simulator, xapi: Client) -> None:
    vdi = disk(sim, xapi)
    xapi("VDI.add_to_other_config", vdi, "leaf-coalesce", "false")
    snap = xapi("VDI.snapshot", vdi)
    xapi("VDI.destroy", snap)
    assert (sim.coalesce(), len(hidden(sim))) == (0, 1)
    xapi("VDI.remove_from_other_config", vdi, "leaf-coalesce")
    assert sim.coalesce() == 1


def test_coalescing_comes_some_time_after_a_destroy(tmp_path: Path) -> None:
    with Simulator(tmp_path, tls=False, coalesce_seconds=0.3) as sim:
        xapi = Client(sim)
        xapi("VDI.destroy", xapi("VDI.snapshot", disk(sim, xapi)))
        assert len(hidden(sim)) == 1
        _eventually(lambda: not hidden(sim))


def _eventually(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_scan_counts_what_a_guest_wrote_since_the_snapshot(sim: Simulator, xapi: Client) -> None:
    vdi = disk(sim, xapi, size=8 * MIB)
    xapi("VDI.snapshot", vdi)
    xapi("SR.scan", xapi("VDI.get_SR", vdi))
    assert 2 * MIB < int(xapi("VDI.get_physical_utilisation", vdi)) < 3 * MIB, "one block of 2 MiB differs"


def repository(sim: Simulator, xapi: Client, kind: str, size: int) -> str:
    uuid = sim.add_sr(kind, type=kind)
    ref: str = xapi("SR.get_by_uuid", uuid)
    with sim.editing() as pool:
        pool.db.set("SR", ref, physical_size=size)
    return ref


def created(xapi: Client, sr: str, size: int) -> str:
    record = {
        "SR": sr,
        "virtual_size": str(size),
        "type": "user",
        "sharable": False,
        "read_only": False,
        "other_config": {},
    }
    ref: str = xapi("VDI.create", record)
    return ref


def test_a_thick_repository_wants_the_whole_size_for_a_snapshot(sim: Simulator, xapi: Client) -> None:
    sr = repository(sim, xapi, "lvm", 260 * MIB)
    vdi = created(xapi, sr, 100 * MIB)
    taken = int(xapi("SR.get_physical_utilisation", sr))
    assert 100 * MIB <= taken <= 112 * MIB
    snap = xapi("VDI.snapshot", vdi)
    assert 100 * MIB <= int(xapi("VDI.get_physical_utilisation", vdi)) <= 112 * MIB
    assert int(xapi("VDI.get_physical_utilisation", snap)) == 8 * MIB
    with sim.editing() as pool:
        pool.db.set("SR", sr, physical_size=200 * MIB)
    assert refused(xapi, "VDI.snapshot", vdi) == FULL
    with pytest.raises(Refused):
        created(xapi, sr, 100 * MIB)
    xapi("VDI.destroy", snap)
    sim.coalesce()
    assert int(xapi("SR.get_physical_utilisation", sr)) == taken


def test_a_thin_repository_wants_little(sim: Simulator, xapi: Client) -> None:
    sr = repository(sim, xapi, "ext", 10 * MIB)
    vdi = created(xapi, sr, 4096 * MIB)
    assert xapi("VDI.snapshot", vdi)
    assert int(xapi("SR.get_virtual_allocation", sr)) == 2 * 4096 * MIB
    with sim.editing() as pool:
        pool.db.set("SR", sr, physical_size=MIB // 16)
    assert refused(xapi, "VDI.snapshot", vdi) == FULL


def test_a_vm_whose_snapshot_does_not_fit_is_as_it_was(sim: Simulator, xapi: Client) -> None:
    vm = xapi.vm(sim.add_vm("two", [DiskSpec(MIB), DiskSpec(MIB)]))
    sr = xapi.disks(vm)[0]["SR"]
    before = sim.records("VDI").keys()
    with sim.editing() as pool:
        free = pool.db.get("SR", sr)["physical_utilisation"] + 100_000
        pool.db.set("SR", sr, physical_size=free)
    assert refused(xapi, "VM.snapshot", vm, "s") == FULL
    sim.coalesce()
    assert sim.records("VDI").keys() == before


@pytest.mark.parametrize("kind", ["udev", "iso"])
def test_some_repositories_cannot_snapshot(sim: Simulator, xapi: Client, kind: str) -> None:
    sr = repository(sim, xapi, kind, 10 * MIB)
    with sim.editing() as pool:
        vdi = pool.db.create("VDI", {"SR": sr, "managed": True, "virtual_size": 512, "uuid": "d" * 8})
        sim.disk_path("d" * 8).write_bytes(bytes(512))
    assert refused(xapi, "VDI.snapshot", vdi) == ["SR_OPERATION_NOT_SUPPORTED", sr]
    assert "snapshot" not in xapi("VDI.get_allowed_operations", vdi)


def test_a_repository_of_the_newer_kind_says_how_much_is_missing(sim: Simulator, xapi: Client) -> None:
    sr = sim.add_sr("cluster", type="gfs2", size=1 << 30)
    sim.leave_free(sr, 4096)
    record = {"virtual_size": 64 * MIB, "type": "user", "sharable": False, "read_only": False, "other_config": {}}
    details = refused(xapi, "VDI.create", {**record, "SR": xapi("SR.get_by_uuid", sr)})
    assert (details[0], int(details[1]) > 4096, details[2]) == ("SR_FULL", True, "4096")


def test_a_raw_disk_cannot_be_snapshotted(sim: Simulator, xapi: Client) -> None:
    vdi = disk(sim, xapi)
    xapi("VDI.set_sm_config", vdi, {"vdi_type": "raw"})
    assert refused(xapi, "VDI.snapshot", vdi) == ["SR_OPERATION_NOT_SUPPORTED", xapi("VDI.get_SR", vdi)]
