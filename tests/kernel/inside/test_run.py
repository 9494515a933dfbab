"""Whole runs onto NFS, through the command line, against a simulated pool."""

import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.world import MIB, World, command, distribution, job, json_of
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
    copy = f'\n[[hooks]]\non = "backup-stored"\nrun = ["cp", "{{path}}/manifest.json", "{world.folder}"]\n'
    world.config.write_text(world.config.read_text() + copy)
    before = world.records()
    assert world.cli("run", "test", "--strict").returncode == 0
    assert (world.folder / "manifest.json").exists(), "commands find the files where the run has mounted them"
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


@pytest.mark.parametrize("version", ["4.2"], indirect=True)
def test_a_server_that_hangs_on_a_hard_mount_costs_the_other_target_and_the_report_nothing(
    world: World, export: Path, server: Server, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    other = f'[targets.other]\ntype = "local"\nid = "ID"\npath = "{tmp_path}/other"\n'
    both = world.config.read_text().replace("soft", "hard").replace("patience = 60", "patience = 3")
    both = both.replace('targets = ["disk"]', 'targets = ["other", "disk"]\nstall = "15s"')
    world.config.write_text(both.replace("[jobs.", f"{other}[jobs.", 1))
    (identity,) = re.findall(r'id = "([0-9a-f-]{36})"', world.cli("target", "init", "other").stdout)
    told = f'\n[[hooks]]\non = "vm-finished"\nrun = ["touch", "{tmp_path}/told"]\n'
    world.config.write_text(world.config.read_text().replace('"ID"', f'"{identity}"') + told)
    world.pool.faults.add(BodyHook(after=3 * MIB, run=server.cut))
    done = world.cli("run", "test", "--json", timeout=100)
    assert done.returncode == 3, done.stdout
    assert "hangs" in str(json_of(done))
    assert len(backups(tmp_path / "other")) == 1
    assert (tmp_path / "told").exists(), "a command is started while files on the target that hangs are open"
    server.mend()
    assert world.cli("run", "test").returncode == 0
    assert len(backups(export)) == 1
    assert list(export.rglob("*.partial")) == []


@pytest.fixture
def reports(server: Server, export: Path) -> Iterator[Path]:
    """A hard mount of the export, which somebody else has made."""
    folder = Path("/mnt/reports")
    folder.mkdir()
    server.shell("mount", "-t", "nfs", "-o", "nfsvers=4.2,hard,timeo=10", f"{ADDRESS}:{export}", folder)
    yield folder
    server.heal()
    server.shell("umount", folder)
    folder.rmdir()


def test_a_reporter_that_writes_to_a_hard_mount_whose_server_is_gone_costs_nothing_but_its_time(
    tmp_path: Path, reports: Path, server: Server
) -> None:
    with Simulator(tmp_path / "pool") as pool:
        pool.add_vm("web", [DiskSpec(6 * MIB, seed=1, fill=1.0)])
        world = World(tmp_path, pool)
        reporter = f'\n[reporters.far]\ntype = "json"\npath = "{reports}"\n'
        world.configure(job("web", more='report = ["far"]') + reporter + '[plugins]\ntimeout = "5s"\n')
        world.init_target()
        assert world.cli("run", "test", "--strict").returncode == 0
        (written,) = reports.iterdir()
        pool.faults.add(BodyHook(after=3 * MIB, run=server.cut))
        done = world.cli("run", "test", "--json", timeout=100)
        assert done.returncode == 0, done.stdout + done.stderr
        warnings = str(json_of(done)["warnings"])
        assert "'reporter far'" in warnings
        assert "it has not returned for 5 s, and was left behind" in warnings
        assert "ends without waiting for: vmbackup-left-behind: reporter far" in done.stderr
        assert all(verdict.good for verdict in world.verify_all())
        assert len(world.backups()) == 2
        assert world.journals() == []
        server.mend()
        assert written in set(reports.iterdir())


def test_a_reporter_with_data_that_a_hard_mount_does_not_take_holds_up_the_end_and_not_the_report(
    tmp_path: Path, reports: Path, server: Server
) -> None:
    """The kernel lets nobody end who has such data; whoever started the run has its report all the same."""
    sign = tmp_path / "sign"
    with Simulator(tmp_path / "pool") as pool:
        pool.add_vm("web", [DiskSpec(6 * MIB, seed=1, fill=1.0)])
        world = World(tmp_path, pool)
        reporter = '\n[reporters.far]\ntype = "unruly"\n[plugins]\ntimeout = "10s"\n'
        world.configure(job("web", more='report = ["far"]') + reporter)
        world.init_target()
        unruly = {"UNRULY": "writes far", "UNRULY_AT": "reporter", "UNRULY_FOLDER": str(reports)}
        path = str(distribution(tmp_path / "plugin", "unruly"))
        env = world.environ({**unruly, "PYTHONPATH": path, "UNRULY_SIGN": str(sign)})
        with subprocess.Popen(command("run", "test", "--json"), env=env, stdout=subprocess.PIPE, text=True) as process:
            deadline = time.monotonic() + 60
            while not sign.exists() and time.monotonic() < deadline:
                time.sleep(0.05)
            server.cut()
            sign.with_name("sign.seen").touch()
            assert process.stdout is not None
            lines = [process.stdout.readline()]
            while '"message_type": "report"' not in lines[-1]:
                lines.append(process.stdout.readline())
            server.mend()
            assert process.wait(60) == 0
        assert "it has not returned for 10 s, and was left behind" in lines[-1]
        assert len(world.backups()) == 1
        assert world.journals() == []
