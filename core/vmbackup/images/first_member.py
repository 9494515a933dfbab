"""The `ova.xml` that an XVA begins with, without reading on, packed by its host or not."""

import io
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import closing
from typing import IO, Final

import zstandard

from vmbackup.errors import ImageError
from vmbackup.images.packed import Packing, sniff
from vmbackup.images.xva import OVA_LIMIT

_BUFFER: Final = 64 << 10
_WINDOW: Final = 1 << 27


def first_member(pieces: Iterator[bytes]) -> tuple[bytes, Packing | None]:
    """Return `ova.xml` from the pieces of an XVA, and how the XVA is packed.

    Raises ImageError where it does not begin with one, and what reading the pieces raises.
    """
    with closing(io.BufferedReader(_Pieces(pieces), _BUFFER)) as file:
        packing = sniff(file.peek(4)[:4])
        try:
            return _ova(file, packing), packing
        except (tarfile.TarError, EOFError, zlib.error, zstandard.ZstdError) as error:
            raise ImageError(f"it is no XVA: {error}", position=0) from None


def _ova(file: IO[bytes], packing: Packing | None) -> bytes:
    zstd = zstandard.ZstdDecompressor(max_window_size=_WINDOW).stream_reader(file) if packing == "zstd" else None
    with tarfile.open(fileobj=zstd or file, mode="r|gz" if packing == "gzip" else "r|") as archive:
        member = archive.next()
        if member is None or member.name != "ova.xml" or member.size > OVA_LIMIT:
            raise ImageError("an XVA begins with ova.xml, and this does not", position=0)
        content = archive.extractfile(member)
        return content.read() if content else b""


class _Pieces(io.RawIOBase):
    """Pieces of bytes as a file to read from."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override] # io's own takes any buffer
        if not self._rest:
            self._rest = memoryview(next(self._pieces, b""))
        with memoryview(buffer) as room:
            length = min(len(room), len(self._rest))
            room[:length] = self._rest[:length]
        self._rest = self._rest[length:]
        return length
