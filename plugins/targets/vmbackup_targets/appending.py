"""Writing a file from its beginning to its end: holes for zeros where that is wanted, and little in the page cache."""

import os
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from vmbackup import Buffer

# Zeros are looked for in blocks of this size, counted from the beginning of the file. Looking costs 4 us a MiB where
# there are none, against some 300 us for writing it; with blocks of 4 KiB it is ten times that.
BLOCK: Final = 1 << 16
ZEROS: Final = bytes(BLOCK)
# After so many bytes the kernel is asked to write and to drop what it holds of the file. On ext4 that was 2 to 4 times
# as fast as leaving it all to fsync; 32 MiB is no better (docs/performance.md).
WINDOW: Final = 8 << 20


class Appender:
    """Appends to a new file that is open for writing. All methods raise OSError."""

    def __init__(self, descriptor: int, *, holes: bool) -> None:
        """`holes`: leave out what is zero. It reads the same, and is not stored."""
        self._descriptor = descriptor
        self._holes = holes
        self._end_of_data = 0
        self._advised = 0
        self.size = 0
        """Bytes appended so far, with the holes."""

    def append(self, chunk: Buffer) -> None:
        """Append the whole chunk."""
        with memoryview(chunk) as view, view.cast("B") as octets:
            for start, end in _data(octets, self.size) if self._holes else ((0, octets.nbytes),):
                done = start
                while done < end:
                    done += os.pwrite(self._descriptor, octets[done:end], self.size + done)
                self._end_of_data = self.size + end
            self.size += octets.nbytes
        if self.size - self._advised >= WINDOW:
            self._let_go()

    def flush(self) -> None:
        """Make everything durable, a hole at the end included."""
        if self._end_of_data < self.size:
            os.ftruncate(self._descriptor, self.size)
        os.fsync(self._descriptor)
        if self._advised:
            self._let_go()

    def _let_go(self) -> None:
        """Have the kernel begin to write what is not written yet, and drop what is.

        So an image that is larger than the memory takes it from nobody, and there is little left to flush at the end.
        POSIX_FADV_DONTNEED does both (Linux: mm/fadvise.c); what is being written is dropped by the next call.
        """
        self._advised = self.size
        # It is advice: where it cannot be had, the file is as good without.
        with suppress(OSError):
            os.posix_fadvise(self._descriptor, 0, 0, os.POSIX_FADV_DONTNEED)


def _data(octets: "memoryview[int]", position: int) -> Iterator[tuple[int, int]]:
    """Yield where in `octets`, which come to lie at `position` in the file, there are blocks that are not all zero."""
    start, end = 0, 0
    while end < octets.nbytes:
        block = end
        end = min(octets.nbytes, end + BLOCK - (position + end) % BLOCK)
        # Comparing views goes byte by byte in the interpreter; a copy of one block stays in the processor's cache.
        if octets[block] == 0 == octets[end - 1] and bytes(octets[block:end]) == ZEROS[: end - block]:
            if start < block:
                yield start, block
            start = end
    if start < end:
        yield start, end
