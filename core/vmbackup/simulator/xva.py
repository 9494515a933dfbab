"""Writing XVA archives: V7 tar headers, chunks of 1 MiB, a checksum after each (stream_vdi.ml, tar_helpers.ml)."""

import hashlib
from collections.abc import Callable, Sequence
from typing import Protocol

import xxhash

from vmbackup.simulator.profiles import Checksum

BLOCK = 512
END = bytes(2 * BLOCK)
_MODE, _ID = b"0000400\0", b"0000000\0"


class Sink(Protocol):
    """Where a stream goes."""

    def write(self, parts: Sequence[bytes | memoryview]) -> None:
        """Take all parts; they are used up when this returns."""


def member_header(name: str, size: int, mtime: int = 0) -> bytes:
    """Write a tar header as ocaml-tar does: no magic, a checksum of seven digits, a NUL for the type."""
    front = name.encode().ljust(100, b"\0") + _MODE + _ID + _ID + b"%011o\0%011o\0" % (size, mtime)
    total = sum(front) + 8 * ord(" ")
    return (front + b"%07o\0" % total).ljust(BLOCK, b"\0")


def padding(size: int) -> bytes:
    """Give the zeros that fill a member up to whole blocks."""
    return bytes(-size % BLOCK)


def write_member(sink: Sink, name: str, content: bytes, mtime: int) -> None:
    """Write a small member."""
    sink.write([member_header(name, len(content), mtime), content, padding(len(content))])


_DIGESTS: dict[Checksum, tuple[str, Callable[[bytes | memoryview], bytes]]] = {
    "xxhash": (".xxhash", lambda data: xxhash.xxh64(data).hexdigest().upper().encode()),
    "sha1": (".checksum", lambda data: hashlib.sha1(data).hexdigest().encode()),  # noqa: S324  the format's own digest
}


def write_chunk(
    sink: Sink, folder: str, number: int, data: bytes | memoryview, checksum: Checksum, *, misprint: bool = False
) -> None:
    """Write a chunk of a disk and the member with its checksum, or with that of other data as a misprint."""
    suffix, digest = _DIGESTS[checksum]
    name = f"{folder}/{number:08d}"
    text = digest(b"something else") if misprint else digest(data)
    tail = padding(len(data)) + member_header(name + suffix, len(text)) + text + padding(len(text))
    sink.write([member_header(name, len(data)), data, tail])
