"""A mirror of one's own, in full: each backup is one tar file."""

import os
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from io import BufferedReader, RawIOBase
from pathlib import Path
from typing import Self

from pydantic import Field

from vmbackup import Buffer, Mirror, Original, Plugin, Settings, TargetError, hookimpl

PARTIAL = ".partial"
PIECE = 1 << 20


class TarSettings(Settings):
    """Where the tar files go."""

    path: Path = Field(description="an absolute path; the folder must exist")


class Tar(Mirror[TarSettings]):
    """Keeps each backup as one tar file in a folder."""

    name = "tar"
    Settings = TarSettings

    def __enter__(self) -> Self:
        """See whether the folder is there, for an unmounted disk is not to be taken for an empty one."""
        if not self.settings.path.is_dir():
            raise TargetError(f"mirror {self.label}: {self.settings.path} is no folder", advice="Make it, or mount it.")
        return self

    def holds(self) -> Iterator[str]:
        """Yield what the tar files are called: one that is not whole is called otherwise."""
        root = self.settings.path
        with self._told():
            found = sorted(path for path in root.rglob("*.tar") if path.is_file())
        yield from (path.relative_to(root).as_posix().removesuffix(".tar") for path in found)

    def copy(self, original: Original) -> None:
        """Write the whole of it beside its place, read it back, and give it its name."""
        place = self._place(original.folder)
        beside = place.with_name(f"{place.name}{PARTIAL}")
        with self._told():
            place.parent.mkdir(parents=True, exist_ok=True)
            with beside.open("wb") as opened:
                with tarfile.open(fileobj=opened, mode="w|") as tar:
                    for file in original.files:
                        member = tarfile.TarInfo(file.name)
                        member.size, member.mode = file.size, 0o600
                        tar.addfile(member, BufferedReader(Reading(original.fetch(file)), PIECE))
                opened.flush()
                os.fsync(opened.fileno())
            if self._digests(beside, original) != {file.name: file.sha256 for file in original.files}:
                raise TargetError(f"mirror {self.label}: {beside} reads back as something else than was written")
            beside.replace(place)

    def remove(self, folder: str) -> None:
        """Remove the tar file, and the folders that this leaves empty."""
        place = self._place(folder)
        with self._told():
            for path in (place, place.with_name(f"{place.name}{PARTIAL}")):
                path.unlink(missing_ok=True)
            above = place.parent
            while above != self.settings.path and above.is_dir() and not any(above.iterdir()):
                above.rmdir()
                above = above.parent

    def _place(self, folder: str) -> Path:
        return self.settings.path / f"{folder}.tar"

    def _digests(self, path: Path, original: Original) -> dict[str, str]:
        found = {}
        with tarfile.open(path, "r|") as tar:
            for member in tar:
                content, digest = tar.extractfile(member), sha256()
                while content and (piece := content.read(PIECE)):
                    digest.update(piece)
                    original.moved()
                found[member.name] = digest.hexdigest()
        return found

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Say in words what the system says."""
        try:
            yield
        except OSError as error:
            raise TargetError(f"mirror {self.label}: {error.filename}: {error.strerror}") from error


class Reading(RawIOBase):
    """Pieces as a file that can be read once. What gives the pieces may raise, and that goes on as it is."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        """`pieces` are asked for when they are needed."""
        self._pieces = pieces
        self._left = memoryview(b"")

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Buffer) -> int:
        """Give what is there of the next piece."""
        while not self._left:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._left = memoryview(piece)
        into = memoryview(buffer).cast("B")
        count = min(len(into), len(self._left))
        into[:count], self._left = self._left[:count], self._left[count:]
        return count


@hookimpl
def vmbackup_register() -> Iterable[type[Plugin[Settings]]]:
    """Bring `tar`."""
    return (Tar,)
