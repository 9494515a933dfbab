"""A stream in large blocks whose memory is used again, so that the kernel need not clear new memory for each."""

import mmap
from collections.abc import Iterable, Iterator
from typing import Final

from vmbackup import Buffer


class Blocks:
    """Cuts streams into blocks of one size. A block stays as it is until it is given back, and cannot be read then."""

    def __init__(self, size: int) -> None:
        """`size` is that of a block, in bytes."""
        self._size: Final = size
        self._free: list[mmap.mmap] = []

    def of(self, chunks: Iterable[Buffer]) -> Iterator[memoryview]:
        """Yield the content in whole blocks; the last one is shorter, and the only one of no content is empty.

        Each chunk is copied before the next one is asked for.
        """
        memory, filled, count = self._memory(), 0, 0
        for chunk in chunks:
            rest = memoryview(chunk).cast("B")
            while rest.nbytes:
                part = rest[: self._size - filled]
                memory[filled : filled + part.nbytes] = part
                filled += part.nbytes
                rest = rest[part.nbytes :]
                if filled == self._size:
                    yield memoryview(memory)
                    memory, filled, count = self._memory(), 0, count + 1
        if filled or not count:
            yield memoryview(memory)[:filled]

    def give_back(self, block: memoryview) -> None:
        """Let the memory of a block, which was yielded here, be used for another one. Any thread may do so."""
        memory = block.obj
        block.release()
        assert isinstance(memory, mmap.mmap)  # noqa: S101 - `of` makes no others
        self._free.append(memory)

    def _memory(self) -> mmap.mmap:
        try:
            return self._free.pop()
        except IndexError:
            # It takes no memory before it is written to, so that a small image takes little.
            return mmap.mmap(-1, self._size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
