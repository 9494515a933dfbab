"""What to do about the errors of an NFS client."""

import errno
from collections.abc import Mapping
from typing import Final

from vmbackup_targets import trouble

# linux: ERESTARTSYS leaks out of a flush whose mount is given up by force.
_GIVEN_UP: Final = 512
SILENT: Final = (
    "Is the server up, and the network? Everything that waits for it goes on by itself when it comes back; this run "
    "does not wait longer than `patience`."
)
ADVICE: Final[Mapping[int, str]] = {
    **trouble.ADVICE,
    errno.EIO: "The server did not answer in time, refused, or has an error of its own: see `dmesg` here and there.",
    errno.ETIMEDOUT: "The server did not answer in time: is it up, and the network? See `dmesg`.",
    errno.ESTALE: "The server exports this no more, or another file system in its place: see `exportfs -v` there.",
    errno.EROFS: "The server exports this read-only, or it is mounted with `ro`: it takes `rw` at both ends.",
    errno.ENOSPC: "The server's file system is full: remove old backups, or give it more room.",
    _GIVEN_UP: "The mount was given up while this waited for its server.",
}
_VERSION: Final = "Is the server up, and does it serve this version of NFS? Another is named with nfsvers=."
_ON_MOUNT: Final = (
    ("mount.nfs is missing", "Install the NFS client: apt-get install nfs-common, or dnf install nfs-utils."),
    ("access denied", "The server grants this export to others only, or has none of that name: see exports(5) there."),
    ("no such file or directory", "The server has no such export: `showmount -e SERVER` lists those of version 3."),
    ("rpc.statd", "NFS 3 locks files by rpc.statd: start rpcbind and rpc-statd, or use nfsvers=4.2."),
    ("version or transport", _VERSION),
    ("protocol not supported", _VERSION),
    ("resolve", "Is the server's name right, and does DNS work?"),
    (
        "operation not permitted",
        "A container needs CAP_SYS_ADMIN to mount; otherwise let its host mount, and use `path`.",
    ),
    ("no such device", "This kernel has no NFS client: is the module nfs installed?"),
    ("incorrect mount option", "The kernel does not know one of the options: see `dmesg`."),
)
_UNREACHABLE: Final = "Is the server up, does it serve NFS, and does its firewall let this machine in (port 2049)?"


def advice_on_mount(words: str) -> str:
    """Return what to do about a mount that failed, by the words of mount.nfs(8)."""
    said = words.lower()
    return next((advice for part, advice in _ON_MOUNT if part in said), _UNREACHABLE)
