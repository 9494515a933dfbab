"""Fixtures for tests of plugins: `pytest_plugins = ["vmbackup.testing.fixtures"]` in a test's module brings them in."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from vmbackup.simulator import Simulator
from vmbackup.testing.site import SimulatedSite


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[Simulator]:
    """Give a simulated pool that has no VMs yet; `add_vm` makes them, `faults.add` has things go wrong."""
    with Simulator(tmp_path / "pool", progress_seconds=0.05) as simulator:
        yield simulator


@pytest.fixture
def site(tmp_path: Path, pool: Simulator) -> SimulatedSite:
    """Give a target, a configuration, and a job that takes all VMs of `pool`."""
    folder = tmp_path / "site"
    folder.mkdir()
    return SimulatedSite(folder, pool)
