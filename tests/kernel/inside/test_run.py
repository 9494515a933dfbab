"""Whole runs onto NFS, through the command line, against a simulated pool."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.world import MIB, World, job, json_of
from tests.kernel.inside.server import ADDRESS, Server

from vmbackup.simulator import DiskSpec, Simulator
from vmbackup.simulator.faults import BodyHook
from vmbackup_targets.nfs.settings import NfsSettings

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def world(tmp_path: Path, settings: NfsSettings) -> Iterator[World]:
    """A pool with one VM, and a configuration whose target is the export."""
    with Simulator(tmp_path / "pool") as pool:
        pool.add_vm("web", [DiskSpec(6 * MIB, seed=1, fill=1.0)])
        world = World(tmp_path, pool)
        nfs = f"""\
[targets.disk]
type = "nfs"
id = "{world.identity}"
server = "{ADDRESS}"
export = "{settings.export}"
options = "{settings.options}"
patience = 60
"""
        world.configure(job("web", keep=1), head=world.head.partition("[targets.")[0] + nfs)
        world.init_target()
        yield world


def backups(export: Path) -> set[str]:
    """The folders of backups, finished and begun."""
    return {path.parent.name for path in export.rglob("begun.json")}


@pytest.mark.parametrize("version", ["4.2"], indirect=True)
def test_run_list_verify_and_retention(world: World, export: Path) -> None:
    before = world.records()
    assert world.cli("run", "test").returncode == 0
    (first,) = backups(export)
    assert "web" in world.cli("list").stdout
    verified = world.cli("verify", "--all")
    assert verified.returncode == 0, verified.stdout
    assert world.cli("run", "test").returncode == 0
    (second,) = backups(export)
    assert second != first
    assert world.records() == before
    assert list(export.rglob("*.partial")) == []


@pytest.mark.parametrize("version", ["3"], indirect=True)
def test_a_server_that_falls_silent_in_mid_run_fails_that_run_and_the_next_one_is_good(
    world: World, export: Path, server: Server
) -> None:
    world.pool.faults.add(BodyHook(after=3 * MIB, run=server.cut))
    failed = world.cli("run", "test", "--json", timeout=200)
    server.mend()
    assert failed.returncode == 4, failed.stdout
    assert "did not answer in time" in str(json_of(failed))
    assert world.cli("run", "test").returncode == 0
    assert len(backups(export)) == 1
    assert list(export.rglob("*.partial")) == []
    assert world.journals() == []
