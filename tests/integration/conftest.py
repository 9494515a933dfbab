from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.world import World, job
from tests.plugins.notifiers.conftest import authority, serve, server_tls  # noqa: F401 - fixtures of a mail server

from vmbackup.simulator import DiskSpec, Simulator

MIB = 1 << 20


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[Simulator]:
    """An empty pool."""
    with Simulator(tmp_path / "pool", password="canary-7Qx4") as simulator:
        yield simulator


@pytest.fixture
def world(tmp_path: Path, pool: Simulator) -> World:
    """A pool with one running VM of two disks, one of them no multiple of a block, and a target that is set up."""
    pool.add_vm("web 01", [DiskSpec(5 * MIB, seed=1, fill=0.6), DiskSpec(3 * MIB + 512 * 1024, seed=2, fill=0.6)])
    world = World(tmp_path, pool)
    world.configure(job("web*"))
    world.init_target()
    return world
