"""Xen Orchestra's tree as if each backup had a folder of its own; nothing can be stored or deleted through it."""

import hashlib
import re
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import NoReturn, Self

from typing_extensions import Buffer

from vmbackup.contracts import Entry, Leftover, Stored, Target
from vmbackup.errors import ImageError, KeyMissing, TargetError
from vmbackup.images import first_member
from vmbackup.settings import Settings
from vmbackup.stream import read_all

IMAGE, METADATA = "image.xva", "ova.xml"
# `$1$$` and 32 digits: the digest that Xen Orchestra writes beside an image, and never looks at again.
_CHECKSUM = re.compile(rb"\$(1|5|6)\$\$([0-9a-f]{32,128})\s*")
_KINDS = {b"1": "md5", b"5": "sha256", b"6": "sha512"}
_CHECKSUM_LIMIT = 4096


class OrchestraView(Target[Settings]):
    """A target as `OrchestraRepository` reads it: a backup's folder is its key without `.xva`, and has two files."""

    name = "orchestra"

    def __init__(self, target: Target[Settings]) -> None:
        """`target` is entered and left by entering and leaving this."""
        super().__init__(target.label, target.settings)
        self.target = target

    def __enter__(self) -> Self:
        """Enter the target."""
        self.target.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        """Leave it."""
        self.target.__exit__(kind, error, trace)

    def stat(self, key: str) -> Stored | None:
        """Look at the image; of the metadata, which lies inside it, look at what it would be read from."""
        if key.rpartition("/")[2] not in {IMAGE, METADATA}:
            return None
        found = self.target.stat(_image(key))
        return Stored(key, found.size) if found else None

    def fetch(self, key: str, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Read the image, or the metadata out of it. An image that is read whole is held against its checksum."""
        image = _image(key)
        if key.endswith(f"/{METADATA}"):
            ova, _ = first_member(self.target.fetch(image))
            yield ova[offset:] if length is None else ova[offset : offset + length]
        elif offset or length is not None:
            yield from self.target.fetch(image, offset, length)
        else:
            yield from self._proven(image)

    def _proven(self, image: str) -> Iterator[bytes]:
        kind, expected = self._checksum(image)
        digest, size = hashlib.new(kind, usedforsecurity=False), 0
        for piece in self.target.fetch(image):
            digest.update(piece)
            size += len(piece)
            yield piece
        if expected and digest.hexdigest() != expected:
            raise ImageError(f"it is not what was stored: its {kind} has changed", position=size)

    def _checksum(self, image: str) -> tuple[str, str]:
        """Return the kind of digest and the digest that stand beside an image, "" where there is none."""
        key = f"{image}.checksum"
        if self.target.stat(key) is None:
            return "md5", ""
        try:
            found = _CHECKSUM.fullmatch(read_all(self.target.fetch(key), _CHECKSUM_LIMIT))
        except ValueError:
            found = None
        if found is None:
            raise ImageError(f"{key} is not a checksum", position=0)
        return _KINDS[found[1]], found[2].decode()

    def entries(self, prefix: str = "") -> Iterator[Entry]:
        """Show nothing that somebody could take for files of ours."""
        del prefix
        return iter(())

    def leftovers(self) -> Iterator[Leftover]:
        """Leave what is unfinished to Xen Orchestra."""
        return iter(())

    def free(self) -> int | None:
        """As the target says."""
        return self.target.free()

    def store(self, key: str, chunks: Iterable[Buffer]) -> Stored:
        """Refuse."""
        del chunks
        self._refuse(key)

    def delete(self, key: str) -> None:
        """Refuse."""
        self._refuse(key)

    def discard(self, leftover: Leftover) -> None:
        """Refuse."""
        self._refuse(leftover.key)

    def _refuse(self, key: str) -> NoReturn:
        raise TargetError(f"target {self.label}: {key} is Xen Orchestra's, and is only read")


def _image(key: str) -> str:
    folder, _, name = key.rpartition("/")
    if name not in {IMAGE, METADATA}:
        raise KeyMissing(f"Xen Orchestra has no {key}")
    return f"{folder}.xva"
