import os
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.plugins.targets.disks import Disk, new_disk

from vmbackup_targets.local import Local, LocalSettings


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "target"
    folder.mkdir()
    return folder


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A folder with room for 16 MiB; where we may not mount one, for files of 16 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    if os.geteuid() == 0:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "none", str(folder)], check=True)
        yield folder
        subprocess.run(["umount", str(folder)], check=True)
    else:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (16 << 20, before[1]))
        yield folder
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """An attached disk."""
    yield from attached(new_disk(tmp_path / "usb disk", "5ca1ab1e-0000-4000-8000-00000000000a"))


@pytest.fixture
def nameless_disk(tmp_path: Path) -> Iterator[Disk]:
    """An attached disk whose file system has no UUID."""
    yield from attached(new_disk(tmp_path / "nameless", ""))


def attached(disk: Disk) -> Iterator[Disk]:
    disk.attach()
    yield disk
    if disk.folder.is_mount():
        disk.detach()
    disk.image.unlink()


@pytest.fixture
def target(root: Path) -> Iterator[Local]:
    with Local("disk", LocalSettings(path=root)) as entered:
        yield entered


@pytest.fixture(autouse=True)
def _no_descriptor_stays_open() -> Iterator[None]:
    before = set(Path("/proc/self/fd").iterdir())
    yield
    assert set(Path("/proc/self/fd").iterdir()) <= before
