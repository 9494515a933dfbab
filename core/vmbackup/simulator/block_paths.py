"""Which chunks of a disk go into an archive: the three paths of stream_vdi.ml, by the host's version and storage."""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from vmbackup.simulator.chunks import Chunk, Silence, chunks
from vmbackup.simulator.profiles import Blocks
from vmbackup.simulator.sparse import MIB, data_extents

_ALLOCATED = 2 * MIB  # bytes of a VHD's block
_EXTENT = 64 << 10  # bytes: what NBD tells of a disk is no finer than this


@dataclass(frozen=True, slots=True)
class Source:
    """A disk to cut: its open file and size in bytes; the blocks (MiB) `left_out` count as if they were not there."""

    descriptor: int
    size: int
    left_out: frozenset[int] = frozenset()


def sent_chunks(path: Blocks, source: Source, silence: Silence, step: Callable[[int], None]) -> Iterator[Chunk]:
    """Give the numbered chunks of a disk by one of the paths; `step` is told the bytes dealt with.

    `raw-scan` is in `chunks.py`. `nbd-extents` sends every chunk that touches data, be it zeros, and in a silence the
    chunk where it stands; `allocated-blocks` sends whole blocks of the image file and is silent as long as it takes.
    Numbers of both are offsets in MiB. A chunk is valid until the next. Raises OSError where the file ends too early.
    """
    if path == "raw-scan":
        return chunks(source.descriptor, source.size, silence, source.left_out, step)
    unit = _EXTENT if path == "nbd-extents" else _ALLOCATED
    return _by_offset(source, unit, silence if path == "nbd-extents" else None, step)


def _by_offset(source: Source, unit: int, silence: Silence | None, step: Callable[[int], None]) -> Iterator[Chunk]:
    last = (source.size - 1) // MIB
    wanted = {0, last} | _touched(source, unit)
    buffer = memoryview(bytearray(MIB))
    written = time.monotonic()
    for block in range(last + 1):
        length = min(MIB, source.size - block * MIB)
        asked = silence is not None and (block in silence.blocks or time.monotonic() - written > silence.seconds)
        if (block in wanted or asked) and block not in source.left_out:
            if os.preadv(source.descriptor, [buffer[:length]], block * MIB) < length:
                raise OSError(f"the disk ends inside block {block}")
            yield block, buffer[:length]
            written = time.monotonic()
        step(length)


def _touched(source: Source, unit: int) -> set[int]:
    """Give the MiB blocks that the data's extents touch, these taken in whole units."""
    blocks: set[int] = set()
    for start, end in data_extents(source.descriptor, source.size):
        first, after = start // unit * unit, min(-(-end // unit) * unit, source.size)
        blocks.update(range(first // MIB, (after - 1) // MIB + 1))
    return blocks
