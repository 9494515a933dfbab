"""A disk on its way into a file: written raw and with holes, turned into its format, and given its name last."""

import os
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from typing_extensions import Buffer

from vmbackup.extract.formats import convert, format_of
from vmbackup.extract.new_file import NewFile, refuse_place, told
from vmbackup.holes import data_ranges


class DiskFile:
    """A file that becomes one disk. Left before `publish` has succeeded, it leaves nothing behind."""

    def __init__(self, path: Path, *, force: bool = False) -> None:
        """`path` is its place, whose end tells the format; `force` replaces a file that is there.

        Raises ConfigError where that cannot be.
        """
        self._path = path.absolute()
        self.format = format_of(path)
        refuse_place(self._path, force=force)
        self._made = NewFile(self._path, force=force)
        self._raw = self._made if self.format == "raw" else NewFile(self._path.with_suffix(".raw"))
        self._open = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(self._made)
            if self._raw is not self._made:
                stack.enter_context(self._raw)
            self._open = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self._open.close()

    def write(self, offset: int, piece: Buffer) -> None:
        """Write data of the disk, in bytes from its beginning; what is zero stays a hole. Raises RestoreError."""
        with told(self._path), memoryview(piece) as view:
            for start, end in data_ranges(view, offset):
                done = start
                while done < end:
                    done += os.pwrite(self._raw.descriptor, view[done:end], offset + done)

    def publish(self, virtual_size: int) -> int:
        """Make it a disk of that size in bytes, give the file its name, and return what it takes of its file system.

        Raises RestoreError where that fails, or another file has got the name meanwhile.
        """
        with told(self._path):
            os.ftruncate(self._raw.descriptor, virtual_size)
        if self._made is not self._raw:
            convert(self._raw.hidden, self._made.hidden, self.format)
        self._made.publish()
        return os.fstat(self._made.descriptor).st_blocks * 512
