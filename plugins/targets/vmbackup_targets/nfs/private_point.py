"""Folders of our own to mount on: recognised by their place, and held by a lock for as long as their process lives."""

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

# Emptied by a reboot, as the mount table is.
PLACE: Final = Path("/run/vmbackup")
_PREFIX: Final = "nfs-"
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


@dataclass(frozen=True, slots=True)
class PrivatePoint:
    """A folder to mount on, in a folder that this process has locked. Killing the process frees the lock."""

    holder: Path
    lock: int

    @property
    def path(self) -> Path:
        """What is mounted on."""
        return self.holder / "mount"

    @classmethod
    def claim(cls) -> Self:
        """Make a new one. Raises OSError."""
        PLACE.mkdir(mode=0o700, exist_ok=True)
        while True:
            holder = PLACE / f"{_PREFIX}{secrets.token_hex(8)}"
            holder.mkdir(mode=0o700)
            # Until it is locked, another process may take it for an abandoned one and remove it.
            with suppress(FileNotFoundError):
                if (lock := _locked(holder)) is not None:
                    point = cls(holder, lock)
                    point.path.mkdir(mode=0o700)
                    return point

    @classmethod
    def abandoned(cls) -> Iterator[Self]:
        """Those of dead processes, each locked by us from now on. Raises OSError."""
        with suppress(FileNotFoundError):
            for holder in sorted(PLACE.glob(f"{_PREFIX}*")):
                with suppress(FileNotFoundError):
                    if (lock := _locked(holder)) is not None:
                        yield cls(holder, lock)

    def remove(self) -> None:
        """Remove the folders, and let go of the lock; where something is still mounted, the next run tries again."""
        with suppress(OSError):
            with suppress(FileNotFoundError):
                self.path.rmdir()
            self.holder.rmdir()
        os.close(self.lock)


def _locked(holder: Path) -> int | None:
    """Lock a holder; None if another process has it, or has removed it meanwhile. Raises FileNotFoundError."""
    descriptor = os.open(holder, _FOLDER)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(descriptor).st_nlink:
            return descriptor
    except BlockingIOError:
        pass
    os.close(descriptor)
    return None
