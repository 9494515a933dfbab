"""The bare content of a disk, as `/export_raw_vdi?format=raw` streams it (xapi: vhd_tool_wrapper.ml)."""

import xxhash
from typing_extensions import Buffer

from vmbackup.images.blocks import Blocks
from vmbackup.images.check import Evidence, Sink
from vmbackup.images.sequential import Reading, SequentialCheck

BLOCK = 1 << 20
# A disk that lies in a VHD comes in whole VHD blocks; less than one of them can be behind its end.
EXCESS = 2 << 20


class RawCheck(SequentialCheck):
    """All bytes of the disk must come; the zeros that may follow are cut off.

    The format holds no checksums: wrong bytes look like any others. What a host says when it fails is caught because it
    leaves the stream too short, or because it is no zeros.
    """

    def __init__(self, virtual_size: int, sink: Sink | None = None) -> None:
        """`virtual_size` of the disk, in bytes; `sink` is given its data."""
        super().__init__()
        self._sink = sink
        self._size = virtual_size
        self._place = f"the disk, which has {virtual_size:,} bytes"

    def feed(self, piece: Buffer) -> Buffer:
        """Read on, and keep what belongs to the disk."""
        room = max(self._size - self.position, 0)
        super().feed(piece)
        view = memoryview(piece)
        return piece if view.nbytes <= room else view.cast("B")[:room]

    def _read(self) -> Reading[Evidence]:
        blocks = Blocks("", self._size, self._sink)
        for offset in range(0, self._size, BLOCK):
            length = min(BLOCK, self._size - offset)
            checksum = xxhash.xxh64()
            yield from self._pour(length, checksum.update, *blocks.takers(offset))
            blocks.add(offset, length, checksum.digest())
        excess = yield from self._up_to(EXCESS)
        if excess.strip(b"\0"):
            raise self._fault(f"the bytes behind the disk's {self._size:,} are not zeros", excess)
        if len(excess) == EXCESS:
            raise self._fault(f"the stream goes on for {EXCESS:,} bytes behind the disk's {self._size:,}")
        return Evidence("raw", self._size, (blocks.evidence(),))
