"""A pool of three hosts with storage of their own, whose coordinator moves in the middle of a run."""

from pathlib import Path

import pytest
from tests.integration.world import MIB, World, job

from vmbackup.results import exit_code
from vmbackup.simulator import BodyHook, DiskSpec, Simulator


def _world(tmp_path: Path, simulator: Simulator, more: str = "") -> World:
    """A world whose configuration trusts each host by the certificate that it shows."""
    world = World(tmp_path, simulator)
    pins = ", ".join(f'"{host.address}" = "{host.fingerprint}"' for host in simulator.hosts)
    tls = f'tls = {{ fingerprint = "{simulator.fingerprint}", hosts = {{ {pins} }} }}'
    head = world.head.replace(f'tls = {{ fingerprint = "{simulator.fingerprint}" }}', tls)
    world.configure(job("web*", more=more), head=head)
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
        done = world.cli("restore", "web 2@latest", "--sr", "local 2", "--name", "back")
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
