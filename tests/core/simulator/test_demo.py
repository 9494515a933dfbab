from pathlib import Path

import pytest
from tests.core.simulator.client import Client

from vmbackup.simulator import DiskSpec, Simulator, serve


def test_serving_fills_a_new_pool_and_keeps_it(tmp_path: Path) -> None:
    sim = serve("127.0.0.1:0", tmp_path, tls=False)
    try:
        xapi = Client(sim)
        vms = {record["name_label"]: (ref, record) for ref, record in sim.records("VM").items()}
        assert vms.keys() >= {"linux-web", "windows-db", "archive-old", "Zürich büro 東京", "faculty-debian-template"}
        states = {name: record["power_state"] for name, (_, record) in vms.items() if not record["is_a_template"]}
        assert {name for name, state in states.items() if state == "Halted"} == {"archive-old"}
        ref, windows = vms["windows-db"]
        (disk,) = xapi.disks(ref)
        assert int(disk["virtual_size"]) == 20 << 30
        assert 100 << 20 < int(disk["physical_utilisation"]) < 250 << 20
        discs = [xapi("VBD.get_VDI", vbd) for vbd in windows["VBDs"] if xapi("VBD.get_type", vbd) == "CD"]
        assert [xapi("VDI.get_is_tools_iso", disc) for disc in discs] == [True]
        assert xapi("VM_guest_metrics.get_os_version", windows["guest_metrics"])["distro"] == "windows"
        snap = xapi("VM.snapshot", ref, "kept")
        digest = sim.digest(xapi.disks(vms["archive-old"][0])[0]["uuid"])
        fingerprint = sim.fingerprint
        before = {cls: sim.records(cls) for cls in ("VM", "VDI", "VBD", "VIF", "SR", "pool", "host")}
    finally:
        sim.stop()
    again = serve("127.0.0.1:0", tmp_path, tls=False)
    try:
        assert {cls: again.records(cls) for cls in before} == before
        assert list(again.records("VM")) == list(before["VM"])
        assert again.records("VM")[snap]["name_label"] == "kept"
        assert (
            again.digest(again.records("VDI")[Client(again).disks(vms["archive-old"][0])[0]["ref"]]["uuid"]) == digest
        )
        assert again.fingerprint == fingerprint
    finally:
        again.stop()


@pytest.mark.parametrize("listen", ["127.0.0.1", "8443", "127.0.0.1:https"])
def test_an_address_that_is_none_is_refused(tmp_path: Path, listen: str) -> None:
    with pytest.raises(ValueError, match="ADDRESS:PORT"):
        serve(listen, tmp_path)


def test_a_taken_port_leaves_nothing_running(tmp_path: Path) -> None:
    with Simulator(tmp_path / "one", tls=False) as sim, pytest.raises(OSError, match="in use"):
        serve(sim.url.removeprefix("http://"), tmp_path / "two", tls=False)


def test_a_kill_loses_nothing_that_was_answered(tmp_path: Path) -> None:
    with Simulator(tmp_path, tls=False) as sim:
        xapi = Client(sim)
        vm = xapi.vm(sim.add_vm("a", [DiskSpec(4096)], power_state="Halted"))
        xapi("VM.add_tags", vm, "kept")
        with sim.editing() as pool:
            pool.db.set("VM", vm, current_operations={"OpaqueRef:t": "export"})
        journal = tmp_path / "records.jsonl"
        copy = tmp_path / "copy"
        copy.mkdir()
        (copy / "records.jsonl").write_text(journal.read_text() + '[["VM", "torn')
    with Simulator(copy, tls=False) as sim:
        record = sim.records("VM")[vm]
        assert (record["tags"], record["current_operations"]) == (["kept"], {})
        assert "start" in record["allowed_operations"]
        assert sim.records("session") == {}
