from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.core.simulator.client import Client

from vmbackup.simulator import Simulator


@pytest.fixture
def sim(tmp_path: Path) -> Iterator[Simulator]:
    with Simulator(tmp_path / "sim", tls=False, retry_seconds=0.3, progress_seconds=0.05, boot_seconds=0.05) as running:
        yield running


@pytest.fixture
def xapi(sim: Simulator) -> Client:
    return Client(sim)
