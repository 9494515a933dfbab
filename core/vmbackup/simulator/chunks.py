"""Cutting a disk into the chunks of an XVA, as the raw-scan path of stream_vdi.ml does."""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from vmbackup.simulator.sparse import MIB, data_extents, is_zero

Chunk = tuple[int, memoryview]


@dataclass(frozen=True, slots=True)
class Silence:
    """When an empty chunk is sent to keep the connection alive.

    After `seconds` without output, and in any case before the MiB blocks in `blocks`; never before the first or last.
    """

    seconds: float
    blocks: frozenset[int] = frozenset()


def chunks(
    descriptor: int, size: int, silence: Silence, left_out: frozenset[int], step: Callable[[int], None]
) -> Iterator[Chunk]:
    """Give the numbered chunks of a disk: the first and the last always, of the others those that are not all zero.

    An empty chunk takes a number and moves nothing on, so numbers are no offsets. The blocks `left_out` are skipped
    as if they were zero. `step` is told the bytes that were dealt with, zeros too. A chunk is valid until the next.
    Raises OSError where the file ends too early.
    """
    buffer = memoryview(bytearray(MIB))
    occupied = _occupied(descriptor, size)
    end = os.fstat(descriptor).st_size
    last = (size - 1) // MIB
    number = 0
    written = time.monotonic()
    for block in range(last + 1):
        inner = 0 < block < last
        if inner and (block in silence.blocks or time.monotonic() - written > silence.seconds):
            yield number, buffer[:0]
            written = time.monotonic()
            number += 1
        length = min(MIB, size - block * MIB)
        if block * MIB + length > end:
            raise OSError(f"the disk ends inside block {block}")
        data = _read(descriptor, buffer[:length], block, present=block in occupied)
        if block not in left_out and data is not None:
            yield number, data
            written = time.monotonic()
        elif block not in left_out and not inner:
            yield number, _cleared(buffer[:length])
            written = time.monotonic()
        number += 1
        step(length)


def _occupied(descriptor: int, size: int) -> set[int]:
    blocks: set[int] = set()
    for start, end in data_extents(descriptor, size):
        blocks.update(range(start // MIB, (end - 1) // MIB + 1))
    return blocks


def _read(descriptor: int, view: memoryview, block: int, *, present: bool) -> memoryview | None:
    """Read a block; None when it is all zero."""
    if not present:
        return None
    os.preadv(descriptor, [view], block * MIB)
    return None if is_zero(view) else view


def _cleared(view: memoryview) -> memoryview:
    view[:] = bytes(len(view))
    return view
