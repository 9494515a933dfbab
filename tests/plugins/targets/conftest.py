from collections.abc import Iterator
from pathlib import Path

import pytest

from vmbackup_targets.local import Local, LocalSettings


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "target"
    folder.mkdir()
    return folder


@pytest.fixture
def target(root: Path) -> Iterator[Local]:
    with Local("disk", LocalSettings(path=root)) as entered:
        yield entered


@pytest.fixture(autouse=True)
def _no_descriptor_stays_open() -> Iterator[None]:
    before = set(Path("/proc/self/fd").iterdir())
    yield
    assert set(Path("/proc/self/fd").iterdir()) <= before
