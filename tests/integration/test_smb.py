"""Backups onto a share of Debian's smbd, and what is left when it dies in the middle of one."""

import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.world import MIB, World, job
from tests.plugins.targets.smb.proxy import Proxy
from tests.plugins.targets.smb.samba import PASSWORD, USER, Samba, running

from vmbackup.manifest import MANIFEST
from vmbackup.results import exit_code
from vmbackup.simulator import DiskSpec, Simulator

ROOT = Path(__file__).parents[2]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Samba]:
    """A server whose share is the folder that a world takes for its target."""
    options = {"server smb encrypt": "required"}
    with running(Samba(tmp_path / "samba", options, {"path": str(tmp_path / "target")})) as server:
        yield server


@pytest.fixture
def way(server: Samba) -> Iterator[Proxy]:
    with Proxy(server.port) as proxy:
        yield proxy


@pytest.fixture
def world(tmp_path: Path, pool: Simulator, way: Proxy) -> World:
    pool.add_vm("web 01", [DiskSpec(5 * MIB, seed=1, fill=0.6), DiskSpec(3 * MIB + 512 * 1024, seed=2, fill=0.6)])
    pool.add_vm("web 02", [DiskSpec(6 * MIB, seed=3)])
    world = World(tmp_path, pool)
    secret = tmp_path / "share.password"
    secret.write_text(PASSWORD)
    secret.chmod(0o600)
    section = (
        f'type = "smb"\nserver = "127.0.0.1"\nport = {way.here}\nshare = "backups"\nusername = "{USER}"\n'
        f'password = {{ file = "{secret}" }}\ntimeout = 5'
    )
    head = world.head.replace(f'path = "{world.target}"', "").replace('type = "local"', section)
    world.configure(job("web*", keep=2), head=head)
    world.init_target()
    return world


def expect_whole_backups_alone(world: World, count: int) -> None:
    backups = world.backups()
    assert len(backups) == count
    whole = {"vmbackup-target.json"}
    for backup in backups:
        whole |= {f"{backup.folder}/{file.name}" for file in backup.manifest.files}
        whole |= {f"{backup.folder}/begun.json", f"{backup.folder}/{MANIFEST}"}
    assert world.files() == whole
    assert all(verdict.good for verdict in world.verify_all())


def test_a_backup_goes_to_the_share_and_comes_back(world: World) -> None:
    assert world.cli("preview", "test").returncode == 0
    for _ in range(3):
        done = world.cli("run", "test")
        assert done.returncode == 0, done.stdout + done.stderr
    expect_whole_backups_alone(world, 2 * 2)
    assert world.cli("list").stdout.count("web 0") == 4
    assert world.cli("verify", "--all").returncode == 0
    restored = world.cli("restore", "web 01@latest", "--as", "back", "--new-mac", "--start")
    assert restored.returncode == 0, restored.stderr
    (vm,) = [vm for vm in world.pool.records("VM").values() if vm["name_label"] == "back"]
    assert vm["power_state"] == "Running"


def test_the_example_runs_with_the_addresses_of_a_test(world: World, way: Proxy, server: Samba) -> None:
    (world.target / "xen/weekly").mkdir(parents=True)
    world.pool.add_vm("PROD-web", [DiskSpec(2 * MIB, seed=4)])
    trusted = f'username = "{world.pool.username}"\ntls = {{ fingerprint = "{world.pool.fingerprint}" }}'
    addresses = {
        "/etc/vmbackup/share.password": str(world.folder / "share.password"),
        "/etc/vmbackup/pool.password": str(world.folder / "pool.password"),
        'username = "vmbackup"': trusted,
        "https://xen1.example.edu": world.pool.url,
        'server = "nas1.example.edu"': f'server = "127.0.0.1"\nport = {way.here}',
        'username = "xenbackup"': f'username = "{USER}"',
    }
    text = (ROOT / "examples" / "smb.toml").read_text()
    for old, new in addresses.items():
        assert old in text
        text = text.replace(old, new)
    world.config.write_text(f'state = "{world.folder}/other-state"\n{text}')
    done = world.cli("target", "init", "nas")
    assert done.returncode == 0, done.stderr
    (identity,) = re.findall(r'id = "[0-9a-f-]+"', done.stdout)
    world.config.write_text(world.config.read_text().replace('type = "smb"', f'type = "smb"\n{identity}'))
    assert world.cli("run", "weekend").returncode == 0
    assert any(name.startswith("xen/weekly/") and name.endswith("/image.xva") for name in world.files())


def cut_at(way: Proxy, server: Samba, write: int, *, start_again: bool) -> None:
    """Kill the server instead of handing it the large request of that number, and start it again if asked for."""
    count = itertools.count(1)

    def kill(frame: bytes) -> bytes | None:
        if len(frame) < MIB or next(count) != write:
            return frame
        if start_again:
            way.open.clear()
        server.stop()
        if start_again:
            server.start()
            way.open.set()
        return None

    way.on_request = kill


def test_a_server_that_is_gone_in_mid_write_fails_the_run_and_the_next_one_cleans_up(
    world: World, way: Proxy, server: Samba
) -> None:
    assert exit_code(world.run()) == 0
    before = world.records()
    cut_at(way, server, 3, start_again=False)
    report = world.run()
    assert exit_code(report) == 4
    failures = [outcome.failure for result in report.results for outcome in result.outcomes]
    assert {failure.code for failure in failures if failure} == {"TargetLost"}
    assert any("image.xva" in failure.message for failure in failures if failure)
    assert world.records() == before, "the pool is cleaned up whatever becomes of the target"
    way.on_request = lambda frame: frame
    server.start()
    assert any("partial" in name for name in world.files())
    report = world.run()
    assert exit_code(report) == 0
    assert report.all_warnings == ()
    expect_whole_backups_alone(world, 2 * 2)


def test_a_server_that_restarts_in_mid_write_costs_one_vm_its_backup_and_no_other(
    world: World, way: Proxy, server: Samba
) -> None:
    cut_at(way, server, 3, start_again=True)
    report = world.run()
    assert exit_code(report) == 3, report
    assert [result.good for result in report.results] in ([True, False], [False, True])
    expect_whole_backups_alone(world, 1)
    way.on_request = lambda frame: frame
    assert exit_code(world.run()) == 0
    expect_whole_backups_alone(world, 3)


def test_a_vm_is_exported_again_where_the_server_has_restarted_and_retries_are_asked_for(
    world: World, way: Proxy, server: Samba
) -> None:
    head = world.config.read_text().partition("\n[jobs.test]")[0]
    world.configure(job("web*", keep=2, more='retries = 1\nretry-wait = "1s"'), head=head)
    cut_at(way, server, 3, start_again=True)
    report = world.run()
    assert exit_code(report) == 0, report
    assert [(warning.step, warning.code) for warning in report.all_warnings] == [("retry", "TargetLost")]
    expect_whole_backups_alone(world, 2)


def test_a_wrong_password_is_told_before_the_pool_is_touched(world: World, way: Proxy) -> None:
    (world.folder / "share.password").write_text("wrong")
    before = world.records()
    done = world.cli("run", "test")
    assert done.returncode == 4, done.stdout
    assert "STATUS_LOGON_FAILURE" in done.stdout + done.stderr
    assert "Check username, password and domain" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert world.records() == before
