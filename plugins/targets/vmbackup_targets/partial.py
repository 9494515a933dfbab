"""A file while it is being written: beside its place, under a hidden name that is no key, and locked by its writer."""

import errno
import fcntl
import os
import re
import secrets
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

from vmbackup import Buffer
from vmbackup_targets.appending import Appender
from vmbackup_targets.chain import FILE_MODE, Chain
from vmbackup_targets.trouble import flush_folder, set_mode

# The name of the key's last part is in the middle: `.image.xva.0123456789abcdef.partial`.
PARTIAL: Final = re.compile(r"\.(.+)\.[0-9a-f]{16}\.partial")
RAW: Final = ".raw"
# What link(2) says where there are no hard links: FAT, exFAT, many network shares and FUSE file systems.
_NO_LINKS: Final = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})


class Partial:
    """A new file in the last folder of a chain. Left before `publish` has succeeded, it leaves nothing behind.

    Entering, `write` and `publish` raise OSError; FileExistsError where something has the name already.
    """

    def __init__(self, chain: Chain, name: str) -> None:
        """`name` is what the file will be called."""
        self._chain = chain
        self._name = name
        self._hidden = f".{name}.{secrets.token_hex(8)}.partial"
        self._descriptor = -1

    def __enter__(self) -> Self:
        if self._chain.descend() and self._chain.look(self._name):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), self._name)
        try:
            self._descriptor = self._chain.create(self._hidden)
            set_mode(self._descriptor, FILE_MODE)
            # Where there are no locks, others see an unfinished file and cannot tell whether its writer lives.
            with suppress(OSError):
                fcntl.flock(self._descriptor, fcntl.LOCK_EX)
            self._chain.flush_above()
            # A raw image alone has zeros for its holes, and is read by programs that ask for them.
            self._file = Appender(self._descriptor, holes=self._name.endswith(RAW))
        except BaseException:
            self._clean()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self._clean()

    def write(self, chunk: Buffer) -> None:
        """Append the whole chunk."""
        self._file.append(chunk)

    def publish(self) -> int:
        """Flush the file, give it its name if nothing has it, flush its folder, and return the size found there."""
        self._file.flush()
        # Some file systems tell only at close that bytes were lost (close(2)). Closing a second descriptor asks them,
        # and keeps the lock until the file has its name.
        os.close(os.dup(self._descriptor))
        size = os.fstat(self._descriptor).st_size
        if size != self._file.size:
            raise OSError(errno.EIO, f"{self._file.size:,} bytes were written, but the file has {size:,}", self._name)
        self._give_name()
        with suppress(OSError):
            os.unlink(self._hidden, dir_fd=self._chain.folder)
        try:
            flush_folder(self._chain.folder)
            return os.stat(self._name, dir_fd=self._chain.folder, follow_symlinks=False).st_size
        except BaseException:
            with suppress(OSError):
                os.unlink(self._name, dir_fd=self._chain.folder)
            raise

    def _give_name(self) -> None:
        folder = self._chain.folder
        try:
            os.link(self._hidden, self._name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
        except FileExistsError:
            # NFS repeats a request whose answer was lost, and is then told that the link is there (open(2), O_EXCL).
            found = self._chain.look(self._name)
            if found is None or not os.path.samestat(found, os.fstat(self._descriptor)):
                raise
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            self._rename()

    def _rename(self) -> None:
        """Look and rename, one writer at a time on this machine.

        The rename that never replaces (renameat2) is missing just where links are: in FUSE file systems and old shares.
        """
        with suppress(OSError):
            fcntl.flock(self._chain.folder, fcntl.LOCK_EX)
        if self._chain.look(self._name):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), self._name)
        os.rename(self._hidden, self._name, src_dir_fd=self._chain.folder, dst_dir_fd=self._chain.folder)

    def _clean(self) -> None:
        """Best effort: what stays is found among the leftovers. After publishing there is nothing left to fail."""
        if self._descriptor >= 0:
            with suppress(OSError):
                os.unlink(self._hidden, dir_fd=self._chain.folder)
            with suppress(OSError):
                os.close(self._descriptor)
        self._chain.remove_made()


def abandoned(chain: Chain, name: str) -> os.stat_result | None:
    """What is known of the partial file `name` in the last folder; None if it is gone, or its writer lives."""
    descriptor = chain.open_file(name)
    if descriptor is None:
        return None
    try:
        return None if _locked(descriptor) else os.fstat(descriptor)
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        # No locks on this file system: nobody can tell, and its age has to do.
        return False
    return False
