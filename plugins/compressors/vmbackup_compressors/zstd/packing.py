"""Content to frames: each whole by itself, several compressed at the same time."""

import threading
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Final

import zstandard

from vmbackup import Buffer
from vmbackup_compressors.chunks import pieces
from vmbackup_compressors.in_order import in_order
from vmbackup_compressors.memory import Blocks
from vmbackup_compressors.zstd.table import Entry, seek_table

# Content of a frame. So no window is larger, either: a decoder needs none beyond the frame.
FRAME: Final = 16 << 20
CHECKSUM: Final = 4
_ZEROS: Final = bytes(FRAME)
# The table for long matches is as large as zstd has it at level 3 for 256 KiB of content (zstd: clevels.h), half that
# for more: 1.06 times as fast, and within 1 % of what `zstd -3` 1.5.4 makes (docs/performance.md).
_TABLES: Final = {3: {"hash_log": 16}}


def pack(chunks: Iterable[Buffer], level: int, threads: int, *, long: bool) -> Iterator[Buffer]:
    """Yield frames of 16 MiB of content, in pieces, and the table of them once `chunks` has ended."""
    entries = []
    packer = _Packer(level, long=long)
    for size, frame in in_order(packer.pack, packer.blocks.of(chunks), threads):
        entries.append(Entry(len(frame), size, frame[-CHECKSUM:]))
        yield from pieces(frame)
    yield seek_table(entries)


class _Packer:
    """Makes frames of blocks, which it gives back; every frame is memory of its own."""

    def __init__(self, level: int, *, long: bool) -> None:
        self._level = level
        self._long = long
        self._own = threading.local()
        self.blocks = Blocks(FRAME)

    def pack(self, block: memoryview) -> tuple[int, bytes]:
        size = block.nbytes
        try:
            if size == FRAME and _ZEROS.startswith(block):
                return size, _zero_frame(self._level, self._long)
            return size, self._compressor(size).compress(block)
        finally:
            self.blocks.give_back(block)

    def _compressor(self, size: int) -> zstandard.ZstdCompressor:
        """Return the thread's own for whole blocks: it has its tables already, and no two threads may use one."""
        if size < FRAME:
            return _compressor(self._level, size, long=self._long)
        try:
            kept: zstandard.ZstdCompressor = self._own.compressor
        except AttributeError:
            kept = self._own.compressor = _compressor(self._level, size, long=self._long)
        return kept


def _compressor(level: int, size: int, *, long: bool) -> zstandard.ZstdCompressor:
    more = dict(_TABLES.get(level, {}))
    if long:
        more |= {"enable_ldm": 1, "window_log": FRAME.bit_length() - 1}
    parameters = zstandard.ZstdCompressionParameters.from_level(level, source_size=size, write_checksum=1, **more)
    # All in one go is 1.1 times as fast as in pieces of 1 MiB (3.6 against 4.1 s of processor time for a GiB of files).
    return zstandard.ZstdCompressor(compression_params=parameters)


@cache
def _zero_frame(level: int, long: bool) -> bytes:  # noqa: FBT001 - a cache goes by place
    """A frame of zeros, which disks have many of: comparing takes an eighth of the time of compressing them."""
    return _compressor(level, FRAME, long=long).compress(_ZEROS)
