"""A pool of three hosts with storage of their own, whose coordinator moves in the middle of a run."""

import subprocess
import tomllib
from pathlib import Path

import pytest
from tests.integration.world import MIB, World, command, job

from vmbackup.results import exit_code
from vmbackup.simulator import BodyHook, DiskSpec, Simulator


def _world(tmp_path: Path, simulator: Simulator, more: str = "") -> World:
    """A world whose configuration trusts each host by the certificate that it shows, as `vmbackup trust` writes it."""
    world = World(tmp_path, simulator)
    world.configure(job("web*", more=more))
    done = world.cli("trust", simulator.url, "--yes")
    assert done.returncode == 0, done.stderr
    world.init_target()
    return world


def _fill(simulator: Simulator) -> None:
    for number, host in enumerate(simulator.hosts):
        sr = simulator.add_sr(f"local {number}", host=host, shared=False)
        simulator.add_vm(f"web {number}", [DiskSpec(3 * MIB, seed=number)], sr=sr)


def test_exports_follow_the_pool_to_the_host_that_sees_the_storage(tmp_path: Path) -> None:
    with Simulator(tmp_path / "pool", hosts=3) as simulator:
        _fill(simulator)
        world = _world(tmp_path, simulator)
        before = world.records()
        report = world.run()
        assert exit_code(report) == 0, report
        assert world.records() == before
        assert all(verdict.good for verdict in world.verify_all())
        done = world.cli("restore", "web 2@latest", "--sr", "local 2", "--as", "back")
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("method", ["vm-export", "vdi-export"])
def test_the_coordinator_moves_in_the_middle(tmp_path: Path, method: str) -> None:
    with Simulator(tmp_path / "pool", hosts=3) as simulator:
        _fill(simulator)
        world = _world(tmp_path, simulator, f'method = "{method}"\nretries = 2\nretry-wait = "1s"')
        world.run()
        before = world.records()
        path = "/export" if method == "vm-export" else "/export_raw_vdi"
        move = BodyHook(path=path, nth=2, after=MIB, run=lambda: simulator.move_coordinator(simulator.hosts[1]))
        simulator.faults.add(move)
        report = world.run()
        assert exit_code(report) == 0, report
        assert len(report.results) == 3
        assert world.records() == before
        assert world.journals() == []


@pytest.mark.parametrize("profile", ["xcpng83", "xs71"], ids=["the pool lists them", "each host shows its own"])
def test_trust_writes_the_fingerprint_of_every_host(tmp_path: Path, profile: str) -> None:
    with Simulator(tmp_path / "pool", hosts=3, profile=profile) as simulator:
        world = _world(tmp_path, simulator)
        tls = tomllib.loads(world.config.read_text())["pool"]["tls"]
        plain = {host.address: f"sha256:{host.fingerprint.replace(':', '').lower()}" for host in simulator.hosts}
        assert tls["fingerprint"] == plain[simulator.coordinator.address]
        assert tls["hosts"] == {address: digest for address, digest in plain.items() if digest != tls["fingerprint"]}


def test_trust_asks_for_the_hosts_by_themselves(tmp_path: Path) -> None:
    with Simulator(tmp_path / "pool", hosts=2) as simulator:
        world = World(tmp_path, simulator)
        world.configure(job("web*"))
        done = subprocess.run(
            command("trust", simulator.url),
            env=world.environ(),
            input="y\nn\n",
            capture_output=True,
            text=True,
            check=True,
        )
        assert simulator.hosts[1].fingerprint.replace(":", "").lower() in done.stdout
        assert "hosts" not in tomllib.loads(world.config.read_text())["pool"]["tls"]


def test_trust_of_a_pool_that_refuses_the_login(tmp_path: Path) -> None:
    """The coordinator is trusted all the same, and the message says what is wrong."""
    with Simulator(tmp_path / "pool") as simulator:
        world = World(tmp_path, simulator)
        world.configure(job("web*"), head=world.head.replace('username = "root"', 'username = "nobody"'))
        done = world.cli("trust", simulator.url, "--yes")
        assert done.returncode == 12
        assert "refuses the login of 'nobody'" in done.stderr
        assert "fingerprint" in tomllib.loads(world.config.read_text())["pool"]["tls"]
