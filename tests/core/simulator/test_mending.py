import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.core.simulator.client import Client

from vmbackup.simulator import DiskSpec, Simulator

ROOT = Path(__file__).parents[3]
MIB = 1 << 20
NULL = "OpaqueRef:NULL"
TOTAL = 60  # things at least that the work does to its files
INSTANTS = 14  # of the whole work, evenly spread


def live(folder: Path, nth: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.core.simulator.suicide", str(folder), str(nth)],
        cwd=ROOT,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pool")
    with Simulator(folder, tls=False) as sim:
        sim.add_vm("a", [DiskSpec(2 * MIB, seed=1), DiskSpec(MIB + 512, seed=2)], memory=4 * MIB)
    return folder


def assert_whole(sim: Simulator) -> None:
    """Check that records and files agree, and that no record is half of something."""
    disks = sim.records("VDI")
    folder = sim.disk_path("x").parent
    assert {path.stem: path.stat().st_size for path in folder.iterdir()} == {
        disk["uuid"]: disk["virtual_size"] for disk in disks.values()
    }
    vms, drives, interfaces = (sim.records(cls) for cls in ("VM", "VBD", "VIF"))
    for drive in drives.values():
        assert drive["VM"] in vms
        assert drive["empty"] or drive["VDI"] in disks
    for ref, vm in vms.items():
        assert vm["VBDs"] == [vbd for vbd in vm["VBDs"] if drives[vbd]["VM"] == ref]
        assert {vbd for vbd, drive in drives.items() if drive["VM"] == ref} == set(vm["VBDs"])
        assert vm["metrics"] in sim.records("VM_metrics")
        assert vm["current_operations"] == {}
        assert vm["power_state"] != "Suspended" or vm["suspend_VDI"] in disks
        assert set(vm["VIFs"]) == {vif for vif, record in interfaces.items() if record["VM"] == ref}
        if not vm["is_control_domain"]:
            assert sorted(drives[vbd]["type"] for vbd in vm["VBDs"]) in (["CD"], ["CD", "Disk"], ["CD", "Disk", "Disk"])
    by_uuid = {disk["uuid"]: disk for disk in disks.values()}
    for disk in disks.values():
        assert disk["sm_config"].get("vhd-parent", disk["uuid"]) in by_uuid
        assert disk["current_operations"] == {}
        assert set(disk["VBDs"]) == {
            vbd
            for vbd, drive in drives.items()
            if drive["VDI"] and drive["VDI"] != NULL and disks[drive["VDI"]]["uuid"] == disk["uuid"]
        }
    snapshots = [vm for vm in vms.values() if vm["is_a_snapshot"]]
    for snapshot in snapshots:
        kinds = [drives[vbd]["type"] for vbd in snapshot["VBDs"]]
        assert kinds.count("Disk") == 2 or snapshot["name_label"] == "second", "a snapshot is there with all its disks"


def test_the_work_is_done_when_nobody_kills_it(pool: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pool"
    shutil.copytree(pool, folder)
    done = live(folder, 0)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= TOTAL
    with Simulator(folder, tls=False) as sim:
        assert_whole(sim)
        names = sorted(vm["name_label"] for vm in sim.records("VM").values() if not vm["is_control_domain"])
        assert names == ["a", "copy", "first"]


def test_records_and_files_agree_at_whatever_instant_it_is_killed(pool: Path, tmp_path: Path) -> None:
    states = set()
    for number in range(INSTANTS):
        folder = tmp_path / f"pool-{number}"
        shutil.copytree(pool, folder)
        nth = 1 + number * TOTAL // INSTANTS
        done = live(folder, nth)
        assert done.returncode == -signal.SIGKILL, (nth, done.stdout, done.stderr)
        with Simulator(folder, tls=False) as sim:
            assert_whole(sim)
            states.add(len(sim.records("VDI")))
            sim.coalesce()
            assert_whole(sim)
            xapi = Client(sim)
            (vm,) = xapi("VM.get_by_name_label", "a")
            xapi("VM.snapshot", vm, "after all")
            assert_whole(sim)
        shutil.rmtree(folder)
    assert len(states) > 3, "the instants lay in different places"


def test_a_torn_line_was_never_answered(pool: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pool"
    shutil.copytree(pool, folder)
    with (folder / "records.jsonl").open("a") as journal:
        journal.write('[["VM", "OpaqueRef:torn", {"uuid": "x"')
    (folder / "disks" / "stray.raw").write_bytes(b"a file without a record")
    with Simulator(folder, tls=False) as sim:
        assert_whole(sim)
        assert "OpaqueRef:torn" not in sim.records("VM")
