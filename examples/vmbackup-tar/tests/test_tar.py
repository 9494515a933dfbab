"""The whole test of a mirror: two fixtures, and what makes two more promises visible."""

import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from vmbackup_tar import Tar, TarSettings

from vmbackup import Original, OriginalFile
from vmbackup.conformance import FolderPlace
from vmbackup.testing import MirrorContract


class Place(FolderPlace):
    """What has arrived: what is in the tar file, and what somebody else has put beside it."""

    def arrived(self, folder: str) -> dict[str, bytes]:
        """Read both."""
        found = super().arrived(folder)
        try:
            with tarfile.open(self.root / f"{folder}.tar") as tar:
                for member in tar:
                    content = tar.extractfile(member)
                    found[member.name] = content.read() if content else b""
        except FileNotFoundError:
            pass
        return found


class Slowly(Tar):
    """Takes its time."""

    def copy(self, original: Original) -> None:
        """Wait between the pieces."""
        super().copy(Waiting(original))


class Waiting:
    """An original that is read slowly."""

    def __init__(self, original: Original) -> None:
        """All else is as it is there."""
        self._original = original
        self.folder, self.files = original.folder, original.files
        self.path, self.moved = original.path, original.moved

    def fetch(self, file: OriginalFile, offset: int = 0) -> Iterator[bytes]:
        """Wait before each piece."""
        for piece in self._original.fetch(file, offset):
            time.sleep(0.1)
            yield piece


class TestTar(MirrorContract):
    """Everything that a mirror promises."""

    @pytest.fixture
    def mirror(self, tmp_path: Path) -> Iterator[Tar]:
        """Return a mirror to a folder of its own for each test."""
        with Tar("shelf", TarSettings(path=tmp_path)) as entered:
            yield entered

    @pytest.fixture
    def place(self, tmp_path: Path) -> Place:
        """Return that folder."""
        return Place(tmp_path)

    @pytest.fixture
    def slow_mirror(self, tmp_path: Path) -> Iterator[Tar]:
        """Return one that takes its time."""
        with Slowly("shelf", TarSettings(path=tmp_path)) as entered:
            yield entered

    @pytest.fixture
    def broken_mirror(self, tmp_path: Path) -> Tar:
        """Return one whose disk is not mounted."""
        return Tar("shelf", TarSettings(path=tmp_path / "away"))
