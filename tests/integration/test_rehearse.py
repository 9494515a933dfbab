"""`vmbackup rehearse`: a backup boots where it reaches nobody, and nothing of it stays; a wrong image does not boot."""

import json
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.integration.world import MIB, World, command, job, json_of

from vmbackup.results import exit_code
from vmbackup.simulator import DiskSpec, Simulator
from vmbackup.simulator.faults import CallFails, Cut, LeaveOutBlock, Slow, TaskFails
from vmbackup.simulator.log import Asked

ROOT = Path(__file__).parents[2]
OLD = "Pool-wide network associated with eth0"


@pytest.fixture
def world(tmp_path: Path, pool: Simulator) -> World:
    """Two backups of a VM that goes on running."""
    disks = [DiskSpec(5 * MIB, seed=1, fill=1.0, name="root"), DiskSpec(3 * MIB, seed=2, name="data")]
    pool.add_vm("web 01", disks, networks=2, tags=["web"])
    world = World(tmp_path, pool)
    world.configure(job("web*"))
    world.init_target()
    assert exit_code(world.run()) == 0
    return world


def expect_nothing_left(world: World, before: object) -> None:
    assert (world.records(), sorted(world.pool.records("network"))) == before
    assert world.journals() == []


def state_of(world: World) -> tuple[object, list[str]]:
    return world.records(), sorted(world.pool.records("network"))


def kept(world: World) -> list[dict[str, object]]:
    """The results beside backups, oldest first; each is also with the rehearsals of its VM."""
    paths = sorted(world.target.rglob("rehearsed-*.json"), key=lambda path: path.name)
    ours = [path for path in paths if path.parent.parent.name != "rehearsals"]
    return [json.loads(path.read_text()) for path in ours]


def test_it_boots_where_it_reaches_nobody_and_is_gone_again(world: World) -> None:
    before = state_of(world)
    done = world.cli("rehearse", "web 01@latest")
    assert done.returncode == 0, done.stdout + done.stderr
    (backup,) = world.backups()
    assert done.stdout.startswith(f"good {backup.address}: imported in ")
    expect_nothing_left(world, before)
    (result,) = kept(world)
    assert (result["good"], result["waited_for"], result["backup"]) == (True, "agent", backup.folder)
    assert [one.good for one in backup.rehearsed] == [True]
    assert backup.proven("full") is not None, "it was read whole, and that is kept"


def test_every_interface_is_moved_before_the_start_and_never_back(world: World) -> None:
    known = {network["uuid"] for network in world.pool.records("network").values()}
    assert world.cli("rehearse", "web 01@latest").returncode == 0
    entries = world.pool.log.entries
    asked = [(number, entry) for number, entry in enumerate(entries) if isinstance(entry, Asked)]
    (started,) = [number for number, entry in asked if entry.what == "VM.start"]
    created = [number for number, entry in asked if entry.what == "VIF.create"]
    destroyed = [number for number, entry in asked if entry.what == "VIF.destroy"]
    assert len(created) == len(destroyed) == 2
    assert max(created + destroyed) < started
    assert not [entry for entry in entries[started:] if isinstance(entry, Asked) and entry.what.startswith("VIF.")]
    plugged = {entry.vm for entry in entries[started:] if not isinstance(entry, Asked)}
    (rehearsed,) = plugged - {vm["uuid"] for vm in world.pool.records("VM").values()}
    networks = world.pool.log.networks_of(rehearsed)
    assert len(networks) == 2, "both interfaces were plugged in"
    assert len(set(networks)) == 1
    assert not set(networks) & known


def damage(world: World) -> None:
    (image,) = world.target.rglob("image.xva")
    data = bytearray(image.read_bytes())
    data[2 * MIB] ^= 1
    image.write_bytes(data)


def lose_a_block(world: World) -> None:
    """Leave a block out of the system disk in the middle of its export, which no check of the stream can see."""
    world.pool.faults.add(LeaveOutBlock(block=2))
    assert exit_code(world.run()) == 0
    assert all(verdict.good for verdict in world.verify_all())


@pytest.mark.parametrize(
    ("spoil", "step", "words"),
    [
        (damage, "verify", "is not whole"),
        (lose_a_block, "boot", "the guest agent said nothing within 2 s"),
        (lambda world: world.pool.faults.add(Cut(path="/import", after=MIB)), "import", "import of"),
        (lambda world: world.pool.faults.add(TaskFails(path="/import", code="SR_BACKEND_FAILURE_44")), "import", "_44"),
        (
            lambda world: world.pool.faults.add(CallFails(method="VM.start", code="NO_HOSTS_AVAILABLE")),
            "start",
            "NO_HOSTS",
        ),
        (
            lambda world: world.pool.faults.add(CallFails(method="VIF.create", code="MAC_INVALID")),
            "import",
            "MAC_INVALID",
        ),
    ],
)
def test_what_does_not_live_is_told_and_nothing_stays(
    world: World, spoil: Callable[[World], object], step: str, words: str
) -> None:
    spoil(world)
    before = state_of(world)
    done = world.cli("rehearse", "web 01@latest", "--within", "2s")
    assert done.returncode == 4, done.stdout + done.stderr
    assert done.stdout.startswith("failed disk:web 01@")
    assert f": {step}: " in done.stdout
    assert words in done.stdout
    expect_nothing_left(world, before)
    (result,) = kept(world)
    assert (result["good"], result["step"]) == (False, step)
    assert words in str(result["message"])


def test_a_slow_import_takes_its_time(world: World) -> None:
    world.pool.faults.add(Slow(path="/import", rate=4 * MIB))
    assert world.cli("rehearse", "web 01@latest").returncode == 0
    (result,) = kept(world)
    assert result["import_seconds"] > 1  # type: ignore[operator]


def test_what_cannot_take_place_is_no_result(world: World) -> None:
    before = state_of(world)
    done = world.cli("rehearse", "web 01@latest", "--sr", "nowhere")
    assert done.returncode == 4
    assert "plan: 0 SRs of the pool are called 'nowhere'" in done.stdout
    expect_nothing_left(world, before)
    assert kept(world) == []
    for wrong in (("--wait", "port:0"), ("--within", "soon"), ("--job", "test"), ()):
        arguments = wrong if wrong == () else ("web 01@latest", *wrong)
        assert world.cli("rehearse", *arguments).returncode == 2, wrong


def test_a_dump_of_the_pool_database_is_refused(world: World) -> None:
    world.configure(job("web*", more="pool-database = true"))
    assert exit_code(world.run()) == 0
    before = state_of(world)
    done = world.cli("rehearse", "pool-database@latest")
    assert (done.returncode, done.stderr.count("\n")) == (4, 1), done.stderr
    assert "is a dump of the pool database, in which nothing boots" in done.stderr
    expect_nothing_left(world, before)


def test_time_alone_may_be_the_sign(world: World) -> None:
    lose_a_block(world)
    done = world.cli("rehearse", "web 01@latest", "--wait", "2s", "--json")
    assert done.returncode == 0, done.stdout
    rehearsals = json_of(done)["rehearsals"]
    assert isinstance(rehearsals, list)
    (result,) = rehearsals
    assert result["waited_for"] == "2s"
    assert result["boot_seconds"] >= 2


def test_a_run_meanwhile_takes_no_notice_of_it(world: World) -> None:
    """Neither of the VM that is still being imported, under the original's name, nor of the one that was started."""
    lose_a_block(world)
    world.pool.faults.add(Slow(path="/import", rate=4 * MIB))
    world.configure(job("*"))
    words = command("rehearse", "web 01@latest", "--wait", "8s")
    process = subprocess.Popen(words, env=world.environ(), stdout=subprocess.PIPE, text=True)
    while len([vm for vm in world.pool.records("VM").values() if vm["name_label"] == "web 01"]) < 2:
        assert process.poll() is None
        time.sleep(0.02)
    assert exit_code(world.run()) == 0
    second = world.cli("rehearse", "web 01@latest")
    assert (second.returncode, "another rehearsal is under way" in second.stderr) == (11, True)
    while not [vm for vm in world.pool.records("VM").values() if vm["name_label"] == "rehearsal of web 01"]:
        assert process.poll() is None
        time.sleep(0.02)
    report = world.run()
    assert exit_code(report) == 0
    assert [result.vm for result in report.results] == ["web 01"]
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGKILL, -9)])
@pytest.mark.parametrize("moment", ["import", "boot"])
def test_whoever_ends_it_leaves_nothing_for_long(world: World, number: signal.Signals, code: int, moment: str) -> None:
    lose_a_block(world)
    before = state_of(world)
    if moment == "import":
        world.pool.faults.add(Slow(path="/import", rate=2 * MIB))
    process = subprocess.Popen(command("rehearse", "web 01@latest"), env=world.environ(), stdout=subprocess.DEVNULL)
    while not begun(world, moment):
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(number)
    assert process.wait(60) == code
    world.pool.faults.clear()
    if number == signal.SIGKILL:
        assert world.journals()
        assert exit_code(world.run()) == 0
    expect_nothing_left(world, before)


def begun(world: World, moment: str) -> bool:
    vms = [vm for vm in world.pool.records("VM").values() if "web 01" in vm["name_label"]]
    if moment == "import":
        return len(vms) > 1
    return any(vm["name_label"] == "rehearsal of web 01" and vm["power_state"] == "Running" for vm in vms)


@pytest.fixture
def several(tmp_path: Path, pool: Simulator) -> World:
    for number in range(4):
        pool.add_vm(f"web {number}", [DiskSpec(2 * MIB, seed=number, fill=0.5)])
    world = World(tmp_path, pool)
    world.configure(job("web*", keep=1, more="rehearse = { a-week = 3, within = '5s' }"))
    world.init_target()
    assert exit_code(world.run()) == 0
    return world


def test_a_job_has_so_many_rehearsals_a_week_those_not_rehearsed_for_longest_first(several: World) -> None:
    done = several.cli("rehearse", "--job", "test", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    names = [one["name"] for one in json_of(done)["rehearsals"]]  # type: ignore[attr-defined]
    assert names == ["web 0", "web 1", "web 2"]
    assert several.cli("rehearse", "--job", "test").stdout == "nothing is due\n"
    # The backups go, and what was rehearsed is known all the same.
    assert exit_code(several.run()) == 0
    assert len(several.backups()) == 4
    assert several.cli("rehearse", "--job", "test").stdout == "nothing is due\n"
    for path in several.target.glob("rehearsals/*/*.json"):
        fact = json.loads(path.read_text())
        day = 8 if fact["name"] == "web 0" else 9
        fact["moment"] = fact["moment"].replace("2026-", "2025-").replace(fact["moment"][8:10], f"{day:02}", 1)
        path.write_text(json.dumps(fact))
    names = [one["name"] for one in json_of(several.cli("rehearse", "--job", "test", "--json"))["rehearsals"]]  # type: ignore[attr-defined]
    assert names == ["web 3", "web 0", "web 1"]


def test_some_that_fail_do_not_keep_the_others_from_their_turn(several: World) -> None:
    several.pool.faults.add(TaskFails(path="/import", nth=1))
    done = several.cli("rehearse", "--job", "test")
    assert done.returncode == 3, done.stdout
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["failed", "good", "good"]
    shown = several.cli("show", "web 0@latest").stdout
    assert "rehearsed" in shown
    assert ": failed: import: " in shown
    report = several.run()
    assert [warning.message for warning in report.warnings if warning.step == "rehearsal"]
    assert exit_code(report) == 0


def test_a_port_that_answers_may_be_the_sign(tmp_path: Path) -> None:
    with (
        Simulator(tmp_path / "pool", password="canary-7Qx4", dhcp="127.0.0.1") as pool,
        socket.create_server(("127.0.0.1", 0)) as server,
    ):
        pool.add_vm("web 01", [DiskSpec(2 * MIB, seed=1)])
        world = World(tmp_path, pool)
        world.configure(job("web*"))
        world.init_target()
        assert exit_code(world.run()) == 0
        port = server.getsockname()[1]
        isolated = world.cli("rehearse", "web 01@latest", "--wait", f"port:{port}", "--within", "2s")
        assert isolated.returncode == 4
        assert f"port {port} did not answer within 2 s" in isolated.stdout
        macs = {vif["MAC"] for vif in pool.records("VIF").values()}
        wired = world.cli("rehearse", "web 01@latest", "--wait", f"port:{port}", "--network", OLD)
        assert wired.returncode == 0, wired.stdout + wired.stderr
        plugged = {entry.mac for entry in pool.log.entries if not isinstance(entry, Asked)}
        assert len(plugged - macs) == 1, "on a network that leads somewhere its MAC is its own"


def test_the_examples_of_the_documentation(tmp_path: Path, pool: Simulator) -> None:
    page = (ROOT / "docs" / "rehearsal.md").read_text()
    lines = re.findall(r"^\$ vmbackup (rehearse .*)$", page, re.MULTILINE)
    assert len(lines) == 3
    (section,) = re.findall(r"^```toml\n(.*?)```$", page, re.MULTILINE | re.DOTALL)
    pool.add_sr("fast")
    pool.add_vm("web01", [DiskSpec(2 * MIB, seed=1)])
    world = World(tmp_path, pool)
    world.configure(job("web*", name="weekend") + section)
    world.init_target()
    assert exit_code(world.run("weekend")) == 0
    for line in reversed(lines):  # the job's turn is over once its only VM was rehearsed
        done = world.cli(*line.replace("30s", "1s").split())
        assert done.returncode == 0, (line, done.stdout)
        assert re.match(r"good disk:web01@\S+: imported in [0-9.]+ s, alive after [0-9.]+ s \(", done.stdout), line
