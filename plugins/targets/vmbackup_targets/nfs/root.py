"""The folder of an NFS target, opened once it is proven to lie on the mount that the configuration means."""

import os
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from vmbackup_targets.mount_table import Mount, mount_id, mounts
from vmbackup_targets.nfs.share import Share

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY


class NotThatMount(Exception):
    """The folder lies on something else than the export, for the reason that the message gives."""


def open_proven(share: Share, point: Path, below: Sequence[str]) -> int:
    """Open the folder `below` what is mounted at `point`, and return its descriptor.

    The kernel is asked on which mount each open folder lies, so that no path is believed. Raises NotThatMount, and
    OSError.
    """
    descriptor = os.open(point, _FOLDER)
    try:
        found = _mount_of(descriptor)
        _object(share.objection(found, _device(descriptor), _addresses(share.server)))
        _object("" if _path(descriptor) == found.point else f"it lies within the mount at {found.point}: name that one")
        for name in below:
            above, descriptor = descriptor, os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=descriptor)
            os.close(above)
        inner = _mount_of(descriptor)
        _object("" if inner == found else f"{'/'.join(below)} lies on another mount, {inner.source} ({inner.kind})")
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _object(objection: str) -> None:
    if objection:
        raise NotThatMount(objection)


def _mount_of(descriptor: int) -> Mount:
    number = mount_id(descriptor)
    found = next((mount for mount in mounts() if mount.id == number), None)
    if found is None:
        raise NotThatMount("it was unmounted at this moment")
    return found


def _path(descriptor: int) -> str:
    return str(Path(f"/proc/self/fd/{descriptor}").readlink())


def _device(descriptor: int) -> str:
    device = os.fstat(descriptor).st_dev
    return f"{os.major(device)}:{os.minor(device)}"


def _addresses(server: str) -> frozenset[str]:
    try:
        return frozenset(str(address[0]) for *_, address in socket.getaddrinfo(server, None))
    except OSError:
        return frozenset()
