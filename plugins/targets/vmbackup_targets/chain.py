"""The folders of a key, opened one below the other from the root on: no link is followed, no path looked up twice."""

import errno
import os
import stat
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

from vmbackup_targets.trouble import flush_folder, not_a_file, not_a_folder, removed_meanwhile, set_mode

FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
NEW_FILE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
# Without O_NONBLOCK, opening a pipe that somebody has put there would wait for ever.
OLD_FILE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
FILE_MODE: Final = 0o600
FOLDER_MODE: Final = 0o700
# Each attempt fails only when another thread or process removes the folder in the moment after it was made.
ATTEMPTS = 100


class Chain:
    """Descriptors of the root and of the folders `names` below it, as far down as they have been opened.

    All methods raise OSError. A chain belongs to one thread, and shares no descriptor with another.
    """

    def __init__(self, root: int, names: Sequence[str]) -> None:
        """`root` is a descriptor of the root, which stays open."""
        self._root = root
        self._names = tuple(names)
        self._open: list[int] = []
        self._made: set[int] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self._close()

    @property
    def folder(self) -> int:
        """The descriptor of the deepest folder that is open."""
        return self._open[-1]

    def descend(self) -> bool:
        """Open the folders that are there, and say whether those are all."""
        if not self._open:
            self._open.append(os.open(".", FOLDER, dir_fd=self._root))
        while len(self._open) <= len(self._names):
            descriptor = self._step(self._names[len(self._open) - 1])
            if descriptor is None:
                return False
            self._open.append(descriptor)
        return True

    def create(self, name: str) -> int:
        """Make the folders that are missing and, in the last of them, the file `name`; return it, open for writing."""
        for _ in range(ATTEMPTS):
            try:
                self.make_folders()
                return os.open(name, NEW_FILE, FILE_MODE, dir_fd=self.folder)
            except FileNotFoundError:
                self._close()
        raise removed_meanwhile(name)

    def make_folders(self) -> None:
        """Open the folders, and make those that are missing."""
        while not self.descend():
            level = len(self._open) - 1
            name = self._names[level]
            try:
                os.mkdir(name, FOLDER_MODE, dir_fd=self.folder)
            except FileExistsError:
                found = self.look(name)
                if found is not None and not stat.S_ISDIR(found.st_mode):
                    raise not_a_folder(name) from None
                continue
            self._made.add(level)
            descriptor = self._step(name)
            if descriptor is not None:
                self._open.append(descriptor)
                set_mode(descriptor, FOLDER_MODE)

    def flush_above(self) -> None:
        """Make the names of the folders durable.

        All of them, not only those that this chain has made: another thread may have made one a moment ago.
        """
        for above in self._open[:-1]:
            flush_folder(above)

    def look(self, name: str) -> os.stat_result | None:
        """What the deepest folder knows of `name`, whatever it is; None if there is nothing."""
        try:
            return os.stat(name, dir_fd=self.folder, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def file(self, name: str) -> os.stat_result | None:
        """What the last folder knows of the file `name`: None if there is none, or a folder of that name."""
        found = self.look(name)
        if found is None or stat.S_ISDIR(found.st_mode):
            return None
        if not stat.S_ISREG(found.st_mode):
            raise not_a_file(name)
        return found

    def open_file(self, name: str) -> int | None:
        """Open the file `name` of the last folder for reading; None as for `file`."""
        if self.file(name) is None:
            return None
        try:
            descriptor = os.open(name, OLD_FILE, dir_fd=self.folder)
        except FileNotFoundError:
            return None
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise not_a_file(name)
        return descriptor

    def remove(self, name: str) -> None:
        """Remove a file of the last folder, durably; one that is gone is no error."""
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self.folder)
        flush_folder(self.folder)

    def remove_empty(self) -> None:
        """Remove, from the deepest up, the folders that are empty; what cannot be removed stays."""
        self._remove(range(len(self._names)))

    def remove_made(self) -> None:
        """Remove, from the deepest up, the folders that this chain has made and that are empty."""
        self._remove(self._made)

    def _remove(self, levels: Sequence[int] | set[int]) -> None:
        for level in sorted((level for level in levels if level < len(self._open)), reverse=True):
            try:
                os.rmdir(self._names[level], dir_fd=self._open[level])
            except FileNotFoundError:
                continue
            except OSError:
                return

    def _step(self, name: str) -> int | None:
        """Open one folder of the deepest; a file has nothing below it, so it is as good as nothing."""
        try:
            return os.open(name, FOLDER, dir_fd=self.folder)
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno not in {errno.ENOTDIR, errno.ELOOP}:
                raise
        found = self.look(name)
        if found is not None and not stat.S_ISREG(found.st_mode):
            raise not_a_folder(name)
        return None

    def _close(self) -> None:
        while self._open:
            os.close(self._open.pop())
