"""gzip (RFC 1952): one member, deflated on several threads."""

import struct
from collections.abc import Iterable, Iterator
from functools import cache, partial
from typing import Final

from isal import isal_zlib
from pydantic import Field

from vmbackup import Buffer, Compressor, Settings
from vmbackup_compressors.chunks import PIECE, Source, blocks
from vmbackup_compressors.in_order import in_order, usual_threads

# No name, no time, no system: the same content is the same file.
HEADER: Final = bytes.fromhex("1f8b 08 00 00000000 00 ff")
# RFC 1951, 3.2.6: a last block with nothing in it.
LAST: Final = b"\x03\x00"
TRAILER: Final = struct.Struct("<II")
RAW: Final = -15
BLOCK: Final = 1 << 20
# How far back deflate can point.
REACH: Final = 32 << 10
STEP: Final = 256 << 10
ZEROS: Final = bytes(BLOCK)


class GzipSettings(Settings):
    """How hard to try."""

    level: int = Field(default=2, ge=1, le=3, description="1 is fast, 3 is small")
    threads: int = Field(default=0, ge=0, le=64, description="how many threads compress; 0: one a processor, 8 at most")


class Gzip(Compressor[GzipSettings]):
    """gzip: for who has nothing newer; every host and every system unpacks it."""

    name = "gzip"
    suffix = ".gz"
    unpack = "gzip -dc"
    Settings = GzipSettings

    def compress(self, chunks: Iterable[Buffer]) -> Iterator[Buffer]:
        """A single member, whose end and checksum are only given out once `chunks` has ended."""
        threads = self.settings.threads or usual_threads()
        yield HEADER
        total, checksum = 0, 0
        work = partial(_deflate, self.settings.level)
        for packed, size, crc in in_order(work, _with_what_is_before(blocks(chunks, BLOCK)), threads):
            total += size
            checksum = isal_zlib.crc32_combine(checksum, crc, size)
            yield packed
        yield LAST + TRAILER.pack(checksum, total % (1 << 32))

    def decompress(self, chunks: Iterable[Buffer]) -> Iterator[Buffer]:
        """The content, in pieces of 1 MiB at most. Raises ImageError for damage, an early end, and bytes behind it."""
        source = Source(chunks)
        if source.take(len(HEADER)) != HEADER:
            raise source.wrong("is damaged: it does not begin as vmbackup begins it")
        checksum = 0
        for content in _inflate(source):
            checksum = isal_zlib.crc32(content, checksum)
            yield content
            source.position += len(content)
        if source.take(TRAILER.size) != TRAILER.pack(checksum, source.position % (1 << 32)):
            raise source.wrong("is damaged: its checksum is of other bytes")
        source.end()


def _with_what_is_before(content: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
    before = b""
    for block in content:
        yield before, block
        before = block[-REACH:]


def _deflate(level: int, work: tuple[bytes, bytes]) -> tuple[bytes, int, int]:
    """Return a block, deflated up to a whole byte, its size and its checksum."""
    before, block = work
    if block == ZEROS:
        return _zeros(level)
    return _deflated(level, before, block)


def _deflated(level: int, before: bytes, block: bytes) -> tuple[bytes, int, int]:
    stream = isal_zlib.compressobj(level, isal_zlib.DEFLATED, RAW, zdict=before)
    packed = stream.compress(block) + stream.flush(isal_zlib.Z_SYNC_FLUSH)
    return packed, len(block), isal_zlib.crc32(block)


@cache
def _zeros(level: int) -> tuple[bytes, int, int]:
    return _deflated(level, b"", ZEROS)


def _inflate(source: Source) -> Iterator[bytes]:
    """Yield the content up to the last block, and leave `source` behind that."""
    stream = isal_zlib.decompressobj(RAW)
    packed = b""
    full = False
    while not stream.eof:
        if not packed and not full and not (packed := source.some(STEP)):
            raise source.wrong("ends in the middle")
        try:
            content = stream.decompress(packed, PIECE)
        except isal_zlib.error as error:  # type: ignore[misc] # the stubs call the class an instance
            raise source.wrong(f"is damaged: {error}") from error
        # A piece that is full may have left some of its content inside, although all that was given is used up.
        full = len(content) == PIECE
        packed = stream.unconsumed_tail
        if content:
            yield content
    source.put_back(stream.unused_data)
