"""What rsync's exit codes mean (rsync(1), EXIT VALUES), and what to do about them. Pure."""

from vmbackup import TargetError, TargetLost
from vmbackup_mirrors.program import Ended

_MEANINGS = {
    1: "one of the two does not know an option",
    2: "the two programs do not understand each other",
    3: "a folder is not there, or cannot be used",
    4: "the server refuses what was asked of it",
    5: "the daemon did not let us in, or has no such module",
    10: "the connection broke or could not be made",
    11: "a file could not be read or written",
    12: "the other side ended, or there is no rsync",
    13: "there is a program that writes where rsync should",
    14: "the two processes here do not reach each other",
    20: "rsync was stopped by a signal",
    22: "there is too little memory",
    23: "not everything could be read or written",
    24: "files went away while they were read",
    30: "for too long nothing came from the other side",
    35: "the daemon does not answer",
    127: "there is no rsync on the other side",
    255: "ssh did not get there, or was not let in",
}
_ADVICE = {
    1: "A server whose rsync is older than 3.2.4 knows no --fsync: flush = false.",
    3: "The mirror's folder must exist; it is never made, lest an unmounted disk be missed.",
    4: "A daemon must allow `delete` and `fsync` (refuse options in rsyncd.conf).",
    5: "Look at user, password and module; the daemon's log says more.",
    12: "Is rsync installed there (apt-get install rsync), and is there room?",
    23: "Is the mirror's folder there, may the user write to it, and is there room?",
    127: "On the server: apt-get install rsync",
    255: "Try it by hand with the same user: ssh -o BatchMode=yes USER@HOST true",
}
_CHANGED_KEY = (
    "The host's key is not the known one: ask its administrator, and only then put the new one into known_hosts."
)
_ENDED, _ABSENT, _SSH = 12, 127, 255
_NOTHING_CAME = "(0 bytes received so far)"
_LOST = frozenset({10, 12, 20, 30, 35, 255})
# What it says in the end says less than what it said before.
_NOISE = ("rsync error:", "rsync warning:")
_LINES, _LENGTH = 3, 400


def failed(label: str, doing: str, ended: Ended) -> TargetError:
    """Return the error for an rsync that did not end with 0; `doing` is what it was to do."""
    lines = [line.strip() for line in ended.said.splitlines() if line.strip() and not line.startswith("@@@@")]
    telling = [line for line in lines if not line.startswith(_NOISE)] or lines
    words = " / ".join(telling[-_LINES:])[-_LENGTH:]
    cause = _cause(ended.code, lines)
    meaning = _MEANINGS.get(cause, "it does not say what it means")
    key = cause == _SSH and "host key" in ended.said.casefold()
    kind = TargetLost if cause in _LOST and not key else TargetError
    return kind(
        f"mirror {label}: {doing}: rsync ended with {ended.code}, {meaning}{f': {words}' if words else ''}",
        advice=_CHANGED_KEY if key else _ADVICE.get(cause, ""),
    )


def _cause(code: int, lines: list[str]) -> int:
    """Return what its ssh ended with where rsync did not wait to learn that (rsync: cleanup.c), and says 12 instead."""
    of_others = [line for line in lines if not line.startswith("rsync")]
    if code != _ENDED or not of_others or not any(_NOTHING_CAME in line for line in lines):
        return code
    return _ABSENT if any("not found" in line for line in of_others) else _SSH
