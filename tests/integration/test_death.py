"""Killed at any instant: the next run leaves pool and target clean, and the older backups are good."""

import os
import signal
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from tests.integration.world import World, command, distribution, job

from vmbackup.manifest import MANIFEST
from vmbackup.results import exit_code
from vmbackup.simulator import BodyHook

INSTANTS = 20


@pytest.fixture
def killer(tmp_path: Path) -> Path:
    """A distribution that is found on PYTHONPATH and holds the killer."""
    return distribution(tmp_path / "killer", "killer")


def _instants(count: int) -> list[int]:
    """Twenty instants, spread over a phase in which `count` things happen; another run may have a few less."""
    sure = count * 9 // 10
    assert sure >= INSTANTS, f"only {count} things happen in this phase"
    return [1 + index * (sure - 1) // (INSTANTS - 1) for index in range(INSTANTS)]


def _dies(world: World, killer: Path, phase: str) -> Iterator[int]:
    """Run the job, killed at each instant of a phase; yield after each death."""
    count_file = killer / "count"
    env = {"PYTHONPATH": str(killer), "KILLER_PHASE": phase, "KILLER_COUNT": str(count_file)}
    done = world.cli("run", "test", env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    for instant in _instants(int(count_file.read_text())):
        done = world.cli("run", "test", env={**env, "KILLER_NTH": str(instant)})
        assert done.returncode == -signal.SIGKILL, f"instant {instant}: {done.stdout}{done.stderr}"
        yield instant


def _expect_clean(world: World, before: dict[str, dict[str, dict[str, object]]], when: object) -> None:
    """The next run succeeds and leaves the pool as it was, and on the target nothing but whole backups."""
    assert all(verdict.good for verdict in world.verify_all()), when
    report = world.run()
    assert exit_code(report) == 0, (when, report)
    (death,) = report.all_warnings
    assert (death.step, death.code) == ("death", "Died"), when
    assert death.message.startswith("the run of test that began 20"), when
    assert death.message.endswith((" of the VM 'web 01', without a report", "retention, without a report")), when
    assert world.records() == before, when
    assert world.journals() == [], when
    whole = {"vmbackup-target.json"}
    for backup in world.backups():
        whole |= {f"{backup.folder}/{file.name}" for file in backup.manifest.files}
        whole |= {f"{backup.folder}/begun.json", f"{backup.folder}/{MANIFEST}"}
    assert world.files() == whole, when
    parents = {parent.as_posix() for name in whole for parent in Path(name).parents} - {"."}
    assert world.folders() == parents, when
    assert all(verdict.good for verdict in world.verify_all()), when


@pytest.mark.parametrize("phase", ["snapshot", "publish", "delete"])
@pytest.mark.timeout(300)
def test_killed_in_a_phase(world: World, killer: Path, phase: str) -> None:
    world.configure(job("web*", keep=1 if phase == "delete" else 2))
    before = world.records()
    assert exit_code(world.run()) == 0
    for instant in _dies(world, killer, phase):
        assert world.backups(), f"{phase} {instant}: no good backup is left"
        _expect_clean(world, before, f"{phase} {instant}")


@pytest.mark.parametrize("more", ["", 'method = "vdi-export"'])
@pytest.mark.timeout(300)
def test_killed_in_the_middle_of_an_export(world: World, more: str) -> None:
    world.configure(job("web*", keep=2, more=more))
    before = world.records()
    assert exit_code(world.run()) == 0
    size = max(path.stat().st_size for path in world.target.rglob("*") if path.suffix in {".xva", ".raw"})
    path = "/export_raw_vdi" if more else "/export"
    for index in range(INSTANTS):
        after = index * size // INSTANTS
        process = subprocess.Popen(
            command("run", "test"), env=world.environ(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        world.pool.faults.add(BodyHook(path=path, after=after, run=partial(os.kill, process.pid, signal.SIGKILL)))
        output, _ = process.communicate(timeout=60)
        assert process.returncode == -signal.SIGKILL, output
        world.pool.faults.clear()
        _expect_clean(world, before, f"byte {after}")


def test_a_death_is_told_by_the_next_run_alone_whatever_happens_between(world: World) -> None:
    world.configure(job("web*"))
    assert exit_code(world.run()) == 0
    process = subprocess.Popen(
        command("run", "test"), env=world.environ(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    world.pool.faults.add(BodyHook(path="/export", after=1, run=partial(os.kill, process.pid, signal.SIGKILL)))
    process.communicate(timeout=60)
    world.pool.faults.clear()
    assert world.cli("restore", "web 01@latest", "--as", "back").returncode == 0
    (death,) = world.run().all_warnings
    assert death.message.endswith("ended at the step export of the VM 'web 01', without a report")
    assert world.run().all_warnings == ()


def test_a_run_that_dies_while_it_tells_of_itself_is_told_of(world: World, tmp_path: Path) -> None:
    plugins = tmp_path / "plugins"
    plugins.mkdir(mode=0o700)
    (plugins / "deadly.py").write_text(DEADLY)
    world.configure(
        f'[plugins]\npaths = ["{plugins}"]\n[reporters.deadly]\ntype = "deadly"\n{job("web*", more=REPORT)}'
    )
    assert world.cli("run", "test").returncode == -signal.SIGKILL
    world.configure(job("web*"))
    (death,) = world.run().all_warnings
    assert death.message.endswith("ended at the step report, without a report")
    assert world.run().all_warnings == ()


REPORT = 'report = ["deadly"]'
DEADLY = """
import os, signal
from vmbackup import Report, Reporter, hookimpl

class Deadly(Reporter):
    name = "deadly"

    def write(self, report: Report) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

@hookimpl
def vmbackup_register():
    return [Deadly]
"""
