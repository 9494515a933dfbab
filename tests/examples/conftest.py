from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.world import World, job

from vmbackup.simulator import DiskSpec, Simulator


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A pool with one VM, and a configuration whose target is not set up."""
    with Simulator(tmp_path / "pool") as pool:
        pool.add_vm("web 01", [DiskSpec(5 << 20, seed=1, fill=0.6)])
        world = World(tmp_path, pool)
        world.configure(job("web*"))
        yield world
