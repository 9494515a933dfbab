"""The words that rsync is called with. Pure."""

from collections.abc import Iterable

from vmbackup_mirrors.rsync.settings import RsyncSettings

# Who cannot log in without being asked does not log in, and a key that is not known is not believed.
_STRICT = (
    "BatchMode=yes",
    "StrictHostKeyChecking=yes",
    "UpdateHostKeys=no",
    "ForwardAgent=no",
    "ClearAllForwardings=yes",
    "LogLevel=ERROR",
    "ServerAliveCountMax=3",
)
# Backups hold secrets: as on a target of our own, nobody but their owner reads them.
_MODES = "--chmod=Du=rwx,Dgo=,Fu=rw,Fgo="


def connecting(settings: RsyncSettings) -> list[str]:
    """Return the options of every call: how to connect, and when to give up."""
    words = ["--protect-args", f"--timeout={settings.timeout}"]
    if settings.address.daemon:
        return [*words, f"--contimeout={settings.timeout}"]
    return [*words, f"--rsh={_ssh(settings)}"]


def _ssh(settings: RsyncSettings) -> str:
    options = [
        *_STRICT,
        f"ConnectTimeout={settings.timeout}",
        f"ServerAliveInterval={max(1, settings.timeout // 3)}",
    ]
    if settings.identity:
        options += ["IdentitiesOnly=yes", f"IdentityFile={settings.identity}"]
    if settings.known_hosts:
        options += [f"UserKnownHostsFile={settings.known_hosts}", "GlobalKnownHostsFile=/dev/null"]
    # No word has a space: rsync splits this one at spaces.
    words = ["ssh", *(["-p", str(settings.port)] if settings.port else [])]
    return " ".join([*words, *(word for option in options for word in ("-o", option))])


def sending(*, at_once: bool, flush: bool) -> list[str]:
    """Return the options for copying what a folder holds.

    All blocks of what is there already are compared, and only what differs is sent: a file that was cut short is
    completed, one that is wrong is mended, and one that is whole is proven. It is written in its place, so that
    whatever dies in the middle leaves nothing but a part of the file itself; `at_once` is for the manifest, which must
    never be seen in part.
    """
    words = ["--recursive", "--relative", "--copy-links", "--perms", _MODES, "--ignore-times", "--no-whole-file"]
    return [*words, *([] if at_once else ["--inplace"]), *(["--fsync"] if flush else [])]


def listing(folders: Iterable[str], names: Iterable[str]) -> list[str]:
    """Return the options that list what lies in these folders, each a pattern, under these names."""
    rules = []
    for folder in folders:
        parts = folder.split("/")
        rules += [f"--include=/{'/'.join(parts[:depth])}/" for depth in range(1, len(parts) + 1)]
        rules += [f"--include=/{folder}/{name}" for name in names]
    return ["--recursive", "--list-only", "--no-human-readable", *dict.fromkeys(rules), "--exclude=*"]


def removing(keys: Iterable[str]) -> list[str]:
    """Return the options that remove exactly these files, and their folders if nothing else is in them.

    The source is an empty folder: all is missing there, and what is no file of these is protected.
    """
    rules: dict[str, None] = {}
    for key in keys:
        parts = key.split("/")
        rules |= dict.fromkeys(f"--filter=R /{'/'.join(parts[:depth])}/" for depth in range(1, len(parts)))
        rules[f"--filter=R /{key}"] = None
    return ["--recursive", "--delete", *rules, "--filter=P *"]
