"""Disks for tests: an ext4 file system in a file, mounted as a disk would be."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Disk:
    """A disk: where it is to be mounted, its UUID, and the file that it is."""

    folder: Path
    uuid: str
    image: Path

    def attach(self) -> None:
        subprocess.run(["mount", "-o", "loop", str(self.image), str(self.folder)], check=True)

    def detach(self) -> None:
        """Unmount it, also under those who have it open, for as long as they do."""
        subprocess.run(["umount", "--lazy", str(self.folder)], check=True)

    @property
    def device(self) -> str:
        """The device that it is mounted from."""
        words = ["findmnt", "--noheadings", "--output", "SOURCE", str(self.folder)]
        return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()


def new_disk(folder: Path, uuid: str, mebibytes: int = 64) -> Disk:
    """Make a disk that is not attached, and the folder to mount it on. An empty UUID is a disk that has none."""
    if os.geteuid() != 0:
        pytest.fail("this test mounts a file system, which takes root: sudo make test")
    image = folder.with_name(f"{uuid}.img")
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-U", uuid or "clear", str(image), f"{mebibytes}m"], check=True)
    folder.mkdir(exist_ok=True)
    return Disk(folder, uuid, image)
