"""The two acts of mounting: mount.nfs(8) with a limit of time, and umount2(2), orderly or by force."""

import ctypes
import errno
import os
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from vmbackup_targets.nfs.deadline import NoAnswer, within

_MNT_FORCE, _MNT_DETACH, _UMOUNT_NOFOLLOW = 1, 2, 8
_PATH: Final = "/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin"
# What mount.nfs says of EIO: the kernel has not yet forgotten that an earlier mount of the server was given up.
_PASSING: Final = "mount system call failed"
_NO_ANSWER: Final = "no answer in time"
# What waits in a mount comes out within a second of being forced; it then tries to clean up and must be forced again.
_FORCING_SECONDS, _PAUSE_SECONDS = 10.0, 0.2
_KILLED_SECONDS = 5.0


class MountFailed(Exception):
    """The mount was refused, in the words of mount.nfs, or took too long."""


def mount(source: str, point: Path, options: str, seconds: float) -> None:
    """Mount an export. Raises MountFailed; then nothing is mounted at `point`, or will be."""
    end = time.monotonic() + seconds
    while words := _mount(source, point, options, end - time.monotonic()):
        if words != _PASSING or time.monotonic() > end:
            raise MountFailed(words)
        time.sleep(_PAUSE_SECONDS)


def _mount(source: str, point: Path, options: str, seconds: float) -> str:
    """Try once; return what mount.nfs says of its failure, or ""."""
    program = shutil.which("mount.nfs", path=_PATH)
    if program is None:
        return "mount.nfs is missing"

    def begin() -> subprocess.Popen[bytes]:
        # Closing what is inherited, before the program begins, would hold up all threads of this process if a file of
        # a silent server is among it (see _umount); without, it holds up this one at the worst.
        return subprocess.Popen(  # noqa: S603 - checked options, no shell
            [program, source, str(point), "-o", options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={"PATH": _PATH, "LC_ALL": "C"},
            start_new_session=True,
            close_fds=False,
        )

    try:
        process = within(seconds, begin, _kill)
    except NoAnswer:
        return _NO_ANSWER
    try:
        said, _ = process.communicate(timeout=seconds)
    except BaseException as error:
        _kill(process)
        with suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=_KILLED_SECONDS)
        # It may have mounted in its last moment.
        with suppress(OSError, NoAnswer):
            within(_KILLED_SECONDS, lambda: _umount(point, _MNT_FORCE | _MNT_DETACH))
        if isinstance(error, subprocess.TimeoutExpired):
            return _NO_ANSWER
        raise
    words = said.decode(errors="replace").strip().removeprefix("mount.nfs: ")
    return (words or f"mount.nfs ended with {process.returncode}") if process.returncode else ""


def _kill(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def unmount(point: Path, seconds: float) -> None:
    """Unmount what is mounted at `point`; nothing there is no error. Raises OSError.

    The server has `seconds` for each of two answers. Where it gives none, or something still waits for it, the mount is
    given up by force: all that waits in it gets an error (EIO or, by a habit of the kernel, ERESTARTSYS).
    """
    try:
        # An orderly unmounting flushes, and with a dead server nothing could end that any more: so it is asked first.
        within(seconds, lambda: os.statvfs(point))
        within(seconds, lambda: _umount(point))
    except (OSError, NoAnswer):
        _give_up(point)


def _give_up(point: Path) -> None:
    end = time.monotonic() + _FORCING_SECONDS
    while (left := end - time.monotonic()) > 0:
        try:
            within(left, lambda: _umount(point, _MNT_FORCE))
        except NoAnswer:
            break
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
        else:
            return
        time.sleep(_PAUSE_SECONDS)
    with suppress(NoAnswer):
        within(_KILLED_SECONDS, lambda: _umount(point, _MNT_FORCE | _MNT_DETACH))


def _umount(point: Path, flags: int = 0) -> None:
    """Call umount2(2), not umount(8).

    A new process closes the files that it inherits, and closing a file of a silent server waits for it (linux:
    nfs_file_flush): while the thread of a write hangs, no program could be started to end that.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.umount2(os.fsencode(point), flags | _UMOUNT_NOFOLLOW):
        number = ctypes.get_errno()
        # Nothing is mounted there (umount(2)).
        if number != errno.EINVAL:
            raise OSError(number, os.strerror(number), str(point))
