"""The mount options that a configuration may name (nfs(5)), and those that every mount of ours has."""

import difflib
import re
from typing import Final

_NUMBER, _WORD = r"[0-9]{1,10}", r"[A-Za-z0-9.:_-]{1,100}"
_TAKEN: Final = {
    "nfsvers": r"3|4|4\.[012]",
    "vers": r"3|4|4\.[012]",
    "proto": r"tcp6?|udp6?|rdma6?",
    "sec": r"sys|krb5|krb5i|krb5p",
    "lookupcache": r"all|none|pos|positive",
    "local_lock": r"all|flock|posix|none",
    "xprtsec": r"none|tls|mtls",
    "clientaddr": _WORD,
    "mountproto": r"tcp6?|udp6?",
    "mountvers": "3",
    **dict.fromkeys(("port", "mountport", "rsize", "wsize", "timeo", "retrans", "nconnect", "max_connect"), _NUMBER),
    **dict.fromkeys(("actimeo", "acregmin", "acregmax", "acdirmin", "acdirmax"), _NUMBER),
    **dict.fromkeys(("hard", "soft", "softerr", "sync", "async", "noac", "ac", "ro", "rw", "nolock", "lock"), ""),
    **dict.fromkeys(("resvport", "noresvport", "rdirplus", "nordirplus", "noacl", "acl", "noatime", "relatime"), ""),
}
_REFUSED: Final = {
    "bg": "a mount that goes on in the background has not happened yet when the backups begin",
    "retry": "`patience` says how long a mount may take",
    "sharecache": "the mount is kept apart from others of the same server, so that it can be given up by force",
}
_LOCKING: Final = frozenset({"lock", "nolock", "local_lock"})
_RECOVERY: Final = frozenset({"hard", "soft", "softerr"})
# nosharecache: giving up a mount by force ends all that waits in its file system, which must therefore be ours alone.
# retry=0: mount.nfs tries for two minutes otherwise, whatever the server says.
_ALWAYS: Final = ("nosharecache", "nodev", "nosuid", "noexec", "retry=0")


def checked(text: str) -> str:
    """Return the options as they are. Raises ValueError for those that are unknown or would do harm."""
    names = []
    for option in text.split(",") if text else ():
        name, _, value = option.partition("=")
        if name in _REFUSED:
            raise ValueError(f"{name!r} is not taken: {_REFUSED[name]}")
        if name not in _TAKEN:
            close = difflib.get_close_matches(name, _TAKEN, n=1)
            raise ValueError(f"unknown option {option!r}" + (f"; did you mean {close[0]!r}?" if close else ""))
        if not re.fullmatch(_TAKEN[name], value):
            raise ValueError(f"{option!r}: not a value for {name}")
        names.append(name)
    if len(clash := sorted(_RECOVERY.intersection(names))) > 1:
        raise ValueError(f"{' and '.join(clash)} exclude each other")
    return text


def complete(text: str) -> str:
    """Return all options of a mount.

    Soft unless another recovery is named, so that a dead server ends in an error. Without the locks of NFS 3 unless
    they are asked for: closing a locked file asks a service of its own to unlock it, and waits for that for ever, soft
    or not (linux: nlmclnt_unlock; measured). NFS 4 has its locks in the protocol, and the kernel ignores `nolock`.
    """
    own = text.split(",") if text else []
    names = {option.partition("=")[0] for option in own}
    recovery = () if _RECOVERY & names else ("soft",)
    locking = () if _LOCKING & names else ("nolock",)
    return ",".join((*own, *recovery, *locking, *_ALWAYS))
