"""A file that is made beside its place, and gets its name when it is whole."""

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from vmbackup.errors import ConfigError, RestoreError

# What link(2) says where there are no hard links: FAT, exFAT, many network shares and FUSE file systems.
_NO_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})
_ADVICE = {
    errno.ENOSPC: "Make room there, or name a file elsewhere.",
    errno.EDQUOT: "The quota is used up: make room there, or name a file elsewhere.",
    errno.EFBIG: "The file system takes no file so large: name a file elsewhere.",
}


def refuse_place(path: Path, *, force: bool) -> None:
    """Raise ConfigError unless a file can get that name: its folder is there, and it is not, or may be replaced."""
    if not path.parent.is_dir():
        raise ConfigError(f"{path.parent} is not a folder", advice="Make it first.")
    if not os.path.lexists(path):
        return
    if not force:
        raise ConfigError(f"{path} is there already", advice="Name another file, or replace this one with --force.")
    if path.is_symlink() or not path.is_file():
        raise ConfigError(f"{path} is there already, and no ordinary file", advice="Name another file.")


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Turn an OSError about the file that is to become `path` into a RestoreError that tells of it."""
    try:
        yield
    except OSError as error:
        raise RestoreError(
            f"{path} could not be written: {error.strerror or error}", advice=_ADVICE.get(error.errno or 0, "")
        ) from error


class NewFile:
    """A hidden file beside `path`, open for writing, that only we may read. Left without its name, it is gone.

    What cannot be done raises RestoreError.
    """

    def __init__(self, path: Path, *, force: bool = False) -> None:
        """`path` is the name that it gets in the end; `force` replaces the file that has it."""
        self._path = path
        self._force = force
        self.hidden = path.with_name(f".{path.name[:200]}.{secrets.token_hex(8)}.partial")
        self.descriptor = -1

    def __enter__(self) -> Self:
        with told(self._path):
            # A disk holds what only its VM's users were to see.
            self.descriptor = os.open(self.hidden, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        with suppress(OSError):
            self.hidden.unlink()
        with suppress(OSError):
            os.close(self.descriptor)

    def publish(self) -> None:
        """Flush it, give it its name unless another file has that (and may keep it), and flush its folder."""
        with told(self._path):
            os.fsync(self.descriptor)
            if self._force:
                self.hidden.replace(self._path)
            else:
                self._link()
            _flush_folder(self._path.parent)

    def _link(self) -> None:
        try:
            self._path.hardlink_to(self.hidden)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            # No way is left here to be sure that nobody takes the name between the two.
            if os.path.lexists(self._path):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)) from None
            self.hidden.rename(self._path)


def _flush_folder(folder: Path) -> None:
    """Make the new name durable, where the file system can flush folders: the file itself is, and whole."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
