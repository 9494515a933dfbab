from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.plugins.mirrors.servers import Daemon, Sshd
from tests.plugins.targets.disks import new_disk


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[Sshd]:
    server = Sshd(tmp_path / "sshd")
    server.start()
    yield server
    server.kill()


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    server = Daemon(tmp_path / "daemon")
    server.start()
    yield server
    server.kill()


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A folder with room for some MiB."""
    disk = new_disk(tmp_path / "small", "5ca1ab1e-0000-4000-8000-00000000000d", 6)
    disk.attach()
    (disk.folder / "lost+found").rmdir()
    yield disk.folder
    disk.detach()
