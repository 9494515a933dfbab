"""Killed while a copy is made, proven, and takes the place of the older one: a whole copy is always there."""

import signal
import subprocess
import time
from pathlib import Path
from typing import Literal

import pytest
from tests.integration.copies import EXAMPLE, Copies
from tests.integration.world import MIB, World, command, distribution

from vmbackup.results import exit_code
from vmbackup.simulator import DiskSpec, Simulator
from vmbackup.simulator.faults import CallStalls

INSTANTS = 10


@pytest.fixture
def plugins(tmp_path: Path) -> Path:
    """Where both distributions are found: the killer and the example."""
    folder = distribution(tmp_path / "plugins", "killer")
    return distribution(folder, "vm_copy", EXAMPLE)


@pytest.fixture
def copies(tmp_path: Path, plugins: Path, pool: Simulator, monkeypatch: pytest.MonkeyPatch) -> Copies:
    """A VM of which a copy stands, and a job that makes the next."""
    pool.add_vm("web", [DiskSpec(4 * MIB, seed=1, fill=0.6), DiskSpec(MIB, seed=2)], power_state="Halted")
    # Its entry points alone: the killer is for the processes that die.
    monkeypatch.syspath_prepend(distribution(tmp_path / "example", "vm_copy", EXAMPLE))
    found = Copies(World(tmp_path, pool), pool.add_sr("vault"))
    found.configure(keep=1)
    found.world.init_target()
    assert exit_code(found.world.run()) == 0
    return found


def expect_one_more(copies: Copies, beside: object, when: object) -> None:
    """What a death has left holds a whole copy; the next run leaves one, a new one, and nothing else."""
    stood = copies.standing()
    assert stood, when
    assert any(copies.whole(copy) for copy in stood.values()), when
    report = copies.world.run()
    assert exit_code(report) == 0, (when, report)
    assert [warning.step for warning in report.all_warnings] == ["death"], (when, report.all_warnings)
    ((ref, copy),) = copies.standing().items()
    assert ref not in stood, when
    assert copies.whole(copy), when
    assert copies.beside() == beside, when
    assert copies.world.journals() == [], when
    assert all(verdict.good for verdict in copies.world.verify_all()), when


@pytest.mark.timeout(400)
@pytest.mark.parametrize("part", ["made", "proven"])
def test_killed_at_any_instant(copies: Copies, plugins: Path, part: str) -> None:
    """At each of the first instants, while the copy is made, or at some of all the others to the run's end."""
    beside = copies.beside()
    count_file = plugins / "count"
    env = {"PYTHONPATH": str(plugins), "KILLER_PHASE": "copy", "KILLER_COUNT": str(count_file)}
    done = copies.world.cli("run", "test", env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    # Another run may have a few less.
    last = int(count_file.read_text()) * 9 // 10
    assert last > 2 * INSTANTS, f"only {last} things happen in this phase"
    later = [INSTANTS + 1 + index * (last - INSTANTS - 1) // (INSTANTS - 1) for index in range(INSTANTS)]
    for instant in range(1, INSTANTS + 1) if part == "made" else later:
        done = copies.world.cli("run", "test", env={**env, "KILLER_NTH": str(instant)})
        assert done.returncode == -signal.SIGKILL, f"instant {instant}: {done.stdout}{done.stderr}"
        expect_one_more(copies, beside, f"instant {instant}")


@pytest.mark.timeout(200)
@pytest.mark.parametrize("restarted", ["", "restarted"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_copy_that_goes_on_after_its_clients_death(
    copies: Copies, when: Literal["before", "after"], restarted: str
) -> None:
    """The pool copies on, or forgets the task while what it has made stays."""
    pool, beside = copies.world.pool, copies.beside()
    pool.faults.add(CallStalls(method="VM.copy", when=when))
    env = copies.world.environ({"PYTHONPATH": str(copies.world.folder / "example")})
    process = subprocess.Popen(command("run", "test"), env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    while not _copying(pool, when):
        assert process.poll() is None
        time.sleep(0.05)
    process.kill()
    process.communicate()
    if restarted:
        pool.restart_toolstack()
    pool.faults.clear()
    expect_one_more(copies, beside, (when, restarted))


def _copying(pool: Simulator, when: str) -> bool:
    """Whether the second copy is under way, or is there."""
    if when == "after":
        names = [vm["name_label"] for vm in pool.records("VM").values() if not vm["is_a_snapshot"]]
        return any(name.startswith("vmbackup-") for name in names)
    return [asked.what for asked in pool.log.asked].count("VM.copy") > 1
