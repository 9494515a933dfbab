"""Writing a file from its beginning to its end: holes for zeros where that is wanted, and little in the page cache."""

import os
from contextlib import suppress
from typing import Final

from vmbackup import Buffer, data_ranges

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
            for start, end in data_ranges(octets, self.size) if self._holes else ((0, octets.nbytes),):
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
