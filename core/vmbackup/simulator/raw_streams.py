"""The disk streams of `/export_raw_vdi`: raw and VHD, in blocks of 2 MiB (vhd_tool_wrapper.ml, vhd-tool impl.ml)."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from vmbackup.simulator import vhd
from vmbackup.simulator.block_order import NO_MARKS, Struck, sequence
from vmbackup.simulator.sparse import ZEROS, data_extents, is_zero
from vmbackup.simulator.xva import Sink


@dataclass(frozen=True, slots=True)
class Disk:
    """An open disk: its descriptor, its size in bytes, and which of its blocks of 2 MiB are struck by a fault."""

    descriptor: int
    size: int
    marks: Struck = NO_MARKS


def write_raw(disk: Disk, sink: Sink, step: Callable[[int], None]) -> None:
    """Write the disk's content, filled up with zeros to whole blocks of 2 MiB."""
    blocks = dict.fromkeys(_occupied(disk))
    reader = _Blocks(disk)
    for block in sequence(range(vhd.entries(disk.size)), disk.marks):
        sink.write([reader.read(block) if block in blocks else ZEROS])
        step(vhd.BLOCK)


def write_vhd(disk: Disk, sink: Sink, step: Callable[[int], None]) -> None:
    """Write a dynamic VHD with the blocks that hold anything but zeros."""
    reader = _Blocks(disk)
    _write(disk, [block for block in _occupied(disk) if not is_zero(reader.read(block))], None, sink, step)


def write_difference(
    disk: Disk, blocks: Sequence[int], parent: vhd.Parent, sink: Sink, step: Callable[[int], None]
) -> None:
    """Write a differencing VHD with these whole blocks as the disk holds them now."""
    _write(disk, [block for block in blocks if block not in disk.marks.left_out], parent, sink, step)


def _write(
    disk: Disk, blocks: Sequence[int], parent: vhd.Parent | None, sink: Sink, step: Callable[[int], None]
) -> None:
    reader = _Blocks(disk)
    tail = vhd.footer(disk.size, parent)
    order = sequence(blocks, disk.marks)
    sink.write([vhd.front(disk.size, list(dict.fromkeys(order)), tail, parent)])
    for block in order:
        sink.write([vhd.BITMAP, reader.read(block)])
        step(vhd.BLOCK)
    sink.write([vhd.misprinted(tail) if disk.marks.misprinted else tail])


def _occupied(disk: Disk) -> Iterator[int]:
    """Give the blocks that are no holes, ascending. Raises OSError when the file is too short."""
    if os.fstat(disk.descriptor).st_size < disk.size:
        raise OSError("the file is shorter than the disk")
    following = 0
    for start, end in data_extents(disk.descriptor, disk.size):
        first = max(following, start // vhd.BLOCK)
        following = (end - 1) // vhd.BLOCK + 1
        yield from (block for block in range(first, following) if block not in disk.marks.left_out)


class _Blocks:
    """Reads whole blocks into one buffer; the last one is filled up with zeros."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._buffer = memoryview(bytearray(vhd.BLOCK))

    def read(self, block: int) -> memoryview:
        """Give a block; it is valid until the next is read."""
        start = block * vhd.BLOCK
        length = min(vhd.BLOCK, self._disk.size - start)
        os.preadv(self._disk.descriptor, [self._buffer[:length]], start)
        self._buffer[length:] = bytes(vhd.BLOCK - length)
        return self._buffer
