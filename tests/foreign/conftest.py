from collections.abc import Iterator
from pathlib import Path

import pytest

from vmbackup.simulator import Simulator


@pytest.fixture
def sim(tmp_path: Path) -> Iterator[Simulator]:
    with Simulator(tmp_path / "sim", retry_seconds=5.0) as running:
        yield running
