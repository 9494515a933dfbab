"""What the operating system refused, in words that say what to do about it."""

import errno
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Final

from vmbackup import KeyExists, TargetError, TargetLost

_GONE: Final = "What holds this folder is gone: attach or mount it again, and run the job again."
_RIGHTS: Final = (
    "The user who runs vmbackup needs to list, enter and write this folder (rwx); on NFS, root is nobody unless the "
    "export says no_root_squash."
)
ADVICE: Final[Mapping[int, str]] = {
    errno.ENOSPC: "The file system is full: look at `df -h` and `df -i`, remove old backups, or give it more room.",
    errno.EDQUOT: "The quota of this user is used up: remove old backups, or have the quota raised.",
    errno.EFBIG: "Files of this size are not allowed: FAT32 ends at 4 GiB, and `ulimit -f` limits this process.",
    errno.EROFS: "The file system is read-only; Linux makes it so after errors of the disk, see `dmesg`.",
    errno.EACCES: _RIGHTS,
    errno.EPERM: _RIGHTS,
    errno.EIO: "The disk, or the server behind it, reports an error: see `dmesg` before you trust it any further.",
    errno.ESTALE: "The share was exported anew by its server: unmount it and mount it again.",
    errno.ENOENT: "Is it mounted? The folder itself is never made, so that nothing is written below a mount point.",
    errno.ENOTDIR: "Only folders may stand there; links are never followed. Move it away, or correct the path.",
    errno.ELOOP: "Links and devices are neither followed nor removed. Move it away.",
    errno.ENODEV: _GONE,
    errno.ENXIO: _GONE,
    errno.ENOTCONN: _GONE,
    errno.EHOSTDOWN: _GONE,
    errno.ETIMEDOUT: _GONE,
    errno.EMFILE: "Too many files are open: raise `ulimit -n` (LimitNOFILE= of the service), or run fewer VMs at once.",
}

# A server that has gone may be back at the next attempt.
LOST: Final = frozenset({errno.ENOTCONN, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ETIMEDOUT, errno.ECONNRESET})


class Explained:
    """A context that turns an OSError into a TargetError that names key, path and cause, and what to do.

    FileExistsError becomes KeyExists. It may be entered any number of times.
    """

    def __init__(self, label: str, doing: str, key: str, path: Path, advice: Mapping[int, str] = ADVICE) -> None:
        """Of the target `label`: what could not be done to `key`, such as "stored", which is at `path`.

        `advice` says what to do, by the number of the error.
        """
        self._what = f"target {label}: {key or 'the folder'} could not be {doing}"
        self._path = path
        self._advice = advice

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        if isinstance(error, FileExistsError):
            raise KeyExists(f"{self._what}: something lies at {self._path} already, and stays as it is") from error
        if isinstance(error, OSError):
            cause = error.strerror or str(error)
            trouble = TargetLost if error.errno in LOST else TargetError
            raise trouble(
                f"{self._what}: {cause} ({self._path})", advice=self._advice.get(error.errno or 0, "")
            ) from error


def not_a_folder(name: str) -> OSError:
    """Return what is raised where something else stands in the place of a folder."""
    return NotADirectoryError(errno.ENOTDIR, "a file or a link stands in the place of a folder", name)


def not_a_file(name: str) -> OSError:
    """Return what is raised where a link or a device has the name of a file."""
    return OSError(errno.ELOOP, "it is a link or a device", name)


def removed_meanwhile(name: str) -> OSError:
    """Return what is raised where others remove a folder whenever it has been made."""
    return OSError(errno.EAGAIN, "its folder is removed as often as it is made", name)


def flush_folder(descriptor: int) -> None:
    """Make the names in a folder durable. Raises OSError."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        # A file system that cannot flush a folder says so with EINVAL (fsync(2)); there is nothing better to do there.
        if error.errno != errno.EINVAL:
            raise


def set_mode(descriptor: int, mode: int) -> None:
    """Give a file or folder that we have just made its mode, whatever the umask was. Raises OSError."""
    try:
        os.fchmod(descriptor, mode)
    except OSError as error:
        # We own it, so this is a file system without modes (FAT, many shares): how it is mounted decides there.
        if error.errno not in {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS}:
            raise
