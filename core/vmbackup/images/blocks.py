"""What is counted of a disk's blocks while they pass, and handed on to whoever wants the disk itself."""

from collections.abc import Callable

import xxhash
from typing_extensions import Buffer

from vmbackup.images.check import DiskEvidence, Sink


class Blocks:
    """Gathers the evidence of one disk, block by block, in the order of the stream."""

    def __init__(self, uuid: str, virtual_size: int, sink: Sink | None = None) -> None:
        """Start before the first block of the disk; `sink` is given its data, up to its `virtual_size` in bytes."""
        self._uuid = uuid
        self._virtual_size = virtual_size
        self._sink = sink
        self._digest = xxhash.xxh64()
        self._count = 0
        self._bytes = 0

    def takers(self, offset: int) -> tuple[Callable[[Buffer], object], ...]:
        """Return what the pieces of the block at `offset` of the disk are to be given to, one after the other."""
        return (_Taker(self._sink, offset, self._virtual_size).take,) if self._sink else ()

    def add(self, offset: int, length: int, checksum: bytes) -> None:
        """Count the block of `length` bytes at `offset` of the disk, whose content has this checksum."""
        self._digest.update(offset.to_bytes(8, "big") + checksum)
        self._count += 1
        self._bytes += length

    def evidence(self) -> DiskEvidence:
        """Return what was seen of the disk."""
        return DiskEvidence(self._uuid, self._virtual_size, self._count, self._bytes, self._digest.hexdigest())


class _Taker:
    """Tells a sink where the pieces of a block stand, and keeps from it what a last block has behind the disk's end."""

    def __init__(self, sink: Sink, offset: int, end: int) -> None:
        self._sink = sink
        self._offset = offset
        self._end = end

    def take(self, piece: Buffer) -> None:
        with memoryview(piece) as view:
            length = view.nbytes
            if self._offset < self._end:
                with view[: self._end - self._offset] as inside:
                    self._sink(self._offset, inside)
        self._offset += length
