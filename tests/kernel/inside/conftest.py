"""What the tests that run in the room have in common: one server, an export for each, and clients of both versions."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.kernel.inside.server import ADDRESS, QUICK, Server

from vmbackup_targets.nfs.settings import NfsSettings


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    started = Server()
    yield started
    started.close()


@pytest.fixture
def export(server: Server) -> Iterator[Path]:
    """A new export with nothing on it."""
    with server.exported() as folder:
        yield folder


@pytest.fixture(params=["3", "4.2"], ids=lambda version: f"v{version}")
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def settings(export: Path, version: str) -> NfsSettings:
    """A private mount of the export that gives up soon."""
    return NfsSettings(server=ADDRESS, export=str(export), options=f"nfsvers={version},soft,{QUICK}", patience=20)


@pytest.fixture(autouse=True)
def _nothing_stays_mounted_and_no_descriptor_stays_open(server: Server) -> Iterator[None]:
    before = set(Path("/proc/self/fd").iterdir())
    yield
    server.heal()
    assert [line for line in Path("/proc/self/mounts").read_text().splitlines() if line.startswith(ADDRESS)] == []
    assert list(Path("/run").glob("vmbackup/*")) == []
    assert set(Path("/proc/self/fd").iterdir()) <= before
