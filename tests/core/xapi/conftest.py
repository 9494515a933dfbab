from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.core.xapi.pool import MIB, begin, login, vm_called

from vmbackup.journal import Journal
from vmbackup.models import VM
from vmbackup.simulator import DiskSpec, Simulator
from vmbackup.xapi.session import Session


@pytest.fixture
def sim(tmp_path: Path) -> Iterator[Simulator]:
    """A pool with one running VM of two disks."""
    with Simulator(tmp_path / "sim", tls=False, retry_seconds=0.3, progress_seconds=0.05) as pool:
        pool.add_vm("web", [DiskSpec(3 * MIB, seed=1, fill=0.7), DiskSpec(MIB + 512, seed=2)])
        yield pool


@pytest.fixture
def session(sim: Simulator) -> Iterator[Session]:
    with login(sim) as opened:
        yield opened


@pytest.fixture
def vm(session: Session) -> VM:
    """The VM, as the inventory has it."""
    return vm_called(session, "web")


@pytest.fixture
def journals(tmp_path: Path) -> Path:
    """The folder of journals."""
    folder = tmp_path / "journals"
    folder.mkdir()
    return folder


@pytest.fixture
def journal(journals: Path) -> Iterator[Journal]:
    with begin(journals) as opened:
        yield opened
