"""Which file system an open folder is on."""

import fcntl
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import UUID

from vmbackup_targets.mount_table import mount_id, mounts

BY_UUID: Final = Path("/dev/disk/by-uuid")
# _IOR(0x15, 0, struct fsuuid2): one byte of length, sixteen of UUID (linux/fs.h, since Linux 6.9).
_GET_UUID: Final = 0x80111500
_UUID_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class FileSystem:
    """A file system as it is mounted: what from, of what kind, where, and its UUID, or "" where it has none."""

    source: str
    kind: str
    place: str
    uuid: str

    def __str__(self) -> str:
        return f"{self.uuid or 'without a UUID'} ({self.source}, {self.kind}, mounted on {self.place})"


def holding(descriptor: int, links: Path = BY_UUID) -> FileSystem:
    """Return the file system that holds an open file or folder, whatever its path leads to by now. Raises OSError.

    `links` is where udev keeps a link named by UUID for each device; it is asked where the kernel does not say.
    """
    source, kind, place = _mount(descriptor)
    return FileSystem(source, kind, place, _told_by_kernel(descriptor) or _told_by_links(descriptor, source, links))


def _mount(descriptor: int) -> tuple[str, str, str]:
    """Return source, kind and mount point, from the mount table's line for this very descriptor."""
    number = mount_id(descriptor)
    for mount in mounts():
        if mount.id == number:
            return mount.source, mount.kind, mount.point
    # The mount is gone from the table (umount -l), or from the sight of this process; the descriptor still works.
    return "unknown", "unknown", "nowhere"


def _told_by_kernel(descriptor: int) -> str:
    answer = bytearray(1 + _UUID_BYTES)
    try:
        fcntl.ioctl(descriptor, _GET_UUID, answer)
    except OSError:
        return ""
    found = UUID(bytes=bytes(answer[1:]))
    return str(found) if answer[0] == _UUID_BYTES and found.int else ""


def _told_by_links(descriptor: int, source: str, links: Path) -> str:
    """Look for the device among udev's links; btrfs makes a device number up, so what it is mounted from counts too."""
    devices = {os.fstat(descriptor).st_dev, _device(Path(source))} - {None}
    try:
        return next((link.name for link in sorted(links.iterdir()) if _device(link) in devices), "")
    except OSError:
        return ""


def _device(path: Path) -> int | None:
    """Return the number of the device that a path names; None where it names none, or does so no longer."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_rdev if stat.S_ISBLK(found.st_mode) else None
