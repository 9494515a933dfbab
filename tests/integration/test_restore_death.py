"""A restore that is killed at any instant: after the next run the pool holds all of it as planned, or nothing."""

import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
from tests.integration.world import MIB, World, command, distribution, job, stranger

from vmbackup.results import exit_code
from vmbackup.simulator import DiskSpec, Simulator
from vmbackup.simulator.faults import Stall, TaskSlow

INSTANTS = 24
OLD = "Pool-wide network associated with eth0"
WHOLE = ("--as", "back", "--tag", "odd", "--map-network", f"{OLD}=LAN")
WAYS = {
    "whole": ("restore", WHOLE),
    "several SRs": ("restore of disks", (*WHOLE, "--map-sr", "root=fast")),
    "one disk": ("restore of disks", ("--disk", "root", "--sr", "fast")),
    "one disk for a VM": ("restore of disks", ("--disk", "root", "--sr", "fast", "--vm", "host")),
}
State = tuple[dict[str, dict[str, dict[str, object]]], dict[str, dict[str, object]]]


@pytest.fixture
def killer(tmp_path: Path) -> Path:
    return distribution(tmp_path / "killer", "killer")


@pytest.fixture
def world(tmp_path: Path, pool: Simulator) -> World:
    """A backup of a VM one of whose networks is gone since, and a job of a small VM for the runs that come later."""
    disks = [DiskSpec(5 * MIB, seed=1, fill=0.6, name="root"), DiskSpec(3 * MIB, seed=2, fill=0.5, name="data")]
    pool.add_vm("web", disks, networks=2, tags=["web"])
    pool.add_vm("tiny", [DiskSpec(MIB, seed=3)])
    pool.add_vm("host", [], power_state="Halted")
    pool.add_sr("fast")
    made = World(tmp_path, pool)
    made.configure(job("web") + job("tiny", name="later", keep=1))
    made.init_target()
    assert exit_code(made.run()) == 0
    with stranger(made) as session:
        (network,) = session.xenapi.network.get_by_name_label(OLD)
        session.xenapi.network.set_name_label(network, "LAN")
    # By its bridge it would be found.
    with pool.editing() as inside:
        inside.db.set("network", network, bridge="xenbr7")
    assert exit_code(made.run("later")) == 0
    return made


def state(world: World) -> State:
    networks = {
        ref: {key: value for key, value in record.items() if key not in {"VIFs", "assigned_ips"}}
        for ref, record in world.pool.records("network").items()
    }
    return world.records(), networks


def expect_no_marks(world: World) -> None:
    for cls in ("VM", "VDI", "network"):
        for record in world.pool.records(cls).values():
            if not record.get("is_a_snapshot"):
                assert not [key for key in record["other_config"] if key.startswith("vmbackup")], record


def take_away(world: World, before: State) -> bool:
    """Look at what came back, if anything did, and take it away; return whether there was something."""
    vms = {ref: vm for ref, vm in world.pool.records("VM").items() if ref not in before[0]["VM"]}
    new = {ref: vdi for ref, vdi in world.pool.records("VDI").items() if ref not in before[0]["VDI"]}
    if not vms and not new:
        return False
    expect_no_marks(world)
    disks = {
        disk.name: disk.uuid
        for backup in world.backups()
        if backup.manifest.vm and backup.manifest.vm.name == "web" and backup.manifest.image
        for disk in backup.manifest.image.disks
    }
    assert {vdi["name_label"] for vdi in new.values()} == ({"root", "data"} if vms else {"root"})
    for vdi in new.values():
        assert world.pool.same(disks[vdi["name_label"]], vdi["uuid"])
    with stranger(world) as session:
        for ref, vm in vms.items():
            assert (vm["name_label"], vm["power_state"], set(vm["tags"])) == ("back", "Halted", {"web", "odd"})
            drives = [world.pool.records("VBD")[drive] for drive in vm["VBDs"]]
            assert {drive["VDI"] for drive in drives if drive["type"] == "Disk"} == set(new)
            assert wired(world, "back") == wired(world, "web")
            session.xenapi.VM.destroy(ref)
        for ref in new:
            session.xenapi.VDI.destroy(ref)
    return True


def wired(world: World, name: str) -> dict[str, tuple[str, str]]:
    """Network and MAC of each interface, by its device."""
    (vm,) = [vm for vm in world.pool.records("VM").values() if vm["name_label"] == name and not vm["is_a_snapshot"]]
    vifs = [world.pool.records("VIF")[vif] for vif in vm["VIFs"]]
    return {vif["device"]: (vif["network"], vif["MAC"]) for vif in vifs}


def instants(count: int) -> list[int]:
    """Instants spread over all that happens in the phase, the last ones too."""
    assert count > INSTANTS, f"only {count} things happen in this phase"
    return [1 + index * (count - 1) // (INSTANTS - 1) for index in range(INSTANTS)]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.timeout(300)
def test_all_of_it_or_nothing(world: World, killer: Path, way: str) -> None:
    phase, wishes = WAYS[way]
    before = state(world)
    count_file = killer / "count"
    env = {"PYTHONPATH": str(killer), "KILLER_PHASE": phase, "KILLER_COUNT": str(count_file)}
    done = world.cli("restore", "web@latest", *wishes, env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    assert take_away(world, before)
    assert state(world) == before
    came = []
    for instant in instants(int(count_file.read_text())):
        done = world.cli("restore", "web@latest", *wishes, env={**env, "KILLER_NTH": str(instant)})
        if done.returncode != 0:
            assert done.returncode == -signal.SIGKILL, f"instant {instant}: {done.stdout}{done.stderr}"
        report = world.run("later")
        assert exit_code(report) == 0, (instant, report)
        assert report.all_warnings == (), instant
        assert world.journals() == [], instant
        came.append(take_away(world, before))
        assert state(world) == before, instant
    assert (came[0], came[-1]) == (False, True), "nothing at first, and all of it at the end"


@pytest.mark.parametrize(
    "rule",
    [
        # All is made, and the task does not end; and an import that neither its client's end nor a cancellation stops.
        TaskSlow(path="/import", seconds=60),
        Stall(path="/import", after=MIB, seconds=20, deaf=True),
    ],
)
@pytest.mark.timeout(200)
def test_an_import_that_goes_on_after_its_clients_death(world: World, rule: TaskSlow | Stall) -> None:
    before = state(world)
    world.pool.faults.add(rule)
    process = subprocess.Popen(command("restore", "web@latest", *WHOLE), env=world.environ())
    while True:
        found = [vm for ref, vm in world.pool.records("VM").items() if ref not in before[0]["VM"]]
        if found and (isinstance(rule, Stall) or found[0]["current_operations"] == {}):
            break
        assert process.poll() is None
        time.sleep(0.05)
    process.kill()
    process.wait()
    report = world.run("later")
    assert exit_code(report) == 0, report
    assert report.all_warnings == ()
    assert world.journals() == []
    world.pool.faults.clear()
    assert state(world) == before


def test_a_later_restore_cleans_up_too(world: World, killer: Path) -> None:
    before = state(world)
    env = {"PYTHONPATH": str(killer), "KILLER_PHASE": "restore of disks", "KILLER_NTH": "20"}
    done = world.cli("restore", "web@latest", *WAYS["several SRs"][1], env={**env, "KILLER_COUNT": ""})
    assert done.returncode == -signal.SIGKILL
    assert state(world) != before
    assert world.journals() != []
    done = world.cli("restore", "web@latest", "--disk", "root", "--sr", "fast")
    assert done.returncode == 0, done.stderr
    assert re.search("VDI [0-9a-f-]{36}", done.stdout)
    assert world.journals() == []
    assert take_away(world, before)
    assert state(world) == before
