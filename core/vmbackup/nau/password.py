"""The password of the old command line: a file with it in Base64, or the password itself, which does not stay there."""

import base64
import binascii
import contextlib
import ctypes
import errno
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vmbackup.errors import ConfigError

NO_FILE: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP, errno.EINVAL})
LARGEST: Final = 1 << 16
# Where the arguments begin and end in memory: fields 48 and 49 of /proc/PID/stat (proc(5)); the name, field 2, ends
# with the last parenthesis, so that field 3 is the first behind it.
ARG_START: Final = 48 - 3


@dataclass(frozen=True, slots=True)
class Password:
    """A password, the file that it comes from, if there is one, and what to warn of."""

    text: str
    file: Path | None
    warning: str = ""


def read_password(word: str) -> Password:
    """Return the password that the first word of the command line stands for: that of a file if there is one.

    One that is no file is overwritten on this process's command line. Raises ConfigError, which never shows it.
    """
    if not word:
        raise ConfigError("the password is empty")
    path = Path(word)
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            data = file.read(LARGEST + 1)
    except OSError as error:
        if error.errno in NO_FILE:
            overwrite_argument(word)
            return Password(_text(os.fsencode(word)), None, ON_COMMAND_LINE)
        raise ConfigError(f"{path}: the password file cannot be read: {error.strerror}") from error
    shared = mode & (stat.S_IRWXG | stat.S_IRWXO)
    warning = f"{path}: others than its owner may read this password: chmod 600 {path}" if shared else ""
    return Password(_decoded(path, data), path, warning)


ON_COMMAND_LINE: Final = (
    "there is no file of the name that was given, so it was taken for the password itself. On a command line everyone"
    " on this machine can read it; it is overwritten there now. Keep it in a file: vmbackup nau PASSWORD"
    " create-password-file=FILE"
)


def write_password(path: Path, text: str) -> None:
    """Write a password file, in Base64 as ever, for its owner alone. Raises ConfigError where that cannot be done."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, 0o600)
            file.write(base64.b64encode(os.fsencode(text)))
    except OSError as error:
        raise ConfigError(f"{path}: the password file cannot be written: {error.strerror}") from error


def overwrite_argument(word: str) -> None:
    """Overwrite each argument of this process that is `word` where the system shows it: /proc/PID/cmdline, and ps."""
    wanted = os.fsencode(word)
    with contextlib.suppress(OSError, ValueError, IndexError):
        fields = Path("/proc/self/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        start, end = int(fields[ARG_START]), int(fields[ARG_START + 1])
        if not 0 < start < end:
            return  # not shown to us, and so not known
        place = start
        for argument in ctypes.string_at(start, end - start).split(b"\0"):
            if argument == wanted:
                ctypes.memset(place, ord("*"), len(argument))
            place += len(argument) + 1


def _decoded(path: Path, data: bytes) -> str:
    """Return what is in a password file: blanks and other letters than those of Base64 do not count, as ever."""
    why, password = "it holds nothing", b""
    try:
        password = base64.b64decode(data[:LARGEST], validate=False)
    except binascii.Error as error:
        why = str(error)
    if not password or len(data) > LARGEST:
        raise ConfigError(
            f"{path}: not a password file: {why if not password else 'it is too large'}",
            advice="It holds the password in Base64: vmbackup nau PASSWORD create-password-file=FILE",
        )
    return _text(password)


def _text(password: bytes) -> str:
    try:
        return password.decode()
    except UnicodeDecodeError:
        return password.decode("latin-1")
