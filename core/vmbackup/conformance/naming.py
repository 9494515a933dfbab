"""Promises about keys: all that the rules allow, and no others."""

import string
from collections.abc import Callable, Iterator

from vmbackup.conformance.below import whole
from vmbackup.conformance.content import files, require_stored
from vmbackup.conformance.holding import refused, require, taken
from vmbackup.contracts import Target
from vmbackup.errors import KeyRefused
from vmbackup.keys import KEY_BYTES
from vmbackup.settings import Settings

BAD = (
    "",
    "/",
    "/a",
    "a/",
    "a//b",
    ".",
    "..",
    "../a",
    "a/../b",
    "a/..",
    "a/./b",
    ".hidden",
    "a/.hidden",
    "a b",
    "a\0b",
    "a.",
    "a./b",
    "a\n",
    "a\\b",
    "C:",
    "a*",
    "~",
    "\u00e9",
    "\u202egpj",
    "x" * 121,
    "/".join(["x" * 100] * 4),
)


def allowed(room: int) -> list[str]:
    """Return keys of at most `room` bytes that between them have all that the rules allow; no two differ in case only.

    Device names of Windows are among them, for a job may be called `con`.
    """
    first = string.ascii_uppercase + string.digits + "_+=-"
    return [
        *(f"first/{letter}" for letter in first),
        f"all/{string.ascii_lowercase}{string.ascii_uppercase}{string.digits}._+=-0",
        "more/-rf",
        "more/a..b...c",
        "more/image.xva.zst.partial",
        "devices/con",
        "devices/NUL.txt",
        "devices/aux.json/com1",
        "long/" + "x" * 120,
        _filled("y" * 120, room),
        _filled("z", room),
    ]


def _filled(part: str, room: int) -> str:
    key = "/".join([part] * (room // (len(part) + 1) + 1))[:room]
    return f"{key[:-1]}0" if key.endswith("/") else key


def takes_every_key(target: Target[Settings]) -> None:
    """Every key that the rules allow can be stored, found, listed and deleted: any letter, any depth, any length."""
    _, prefix = whole(target)
    keys = allowed(KEY_BYTES - len(prefix))
    for number, key in enumerate(keys):
        with taken(f"storing {key[:60]} ({len(key)} bytes)"):
            target.store(key, [b"x" * number])
    for number, key in enumerate(keys):
        require_stored(target, key, b"x" * number)
    listed = {entry.key for entry in files(target)}
    require(listed == set(keys), f"stored and listed keys differ in {sorted(listed ^ set(keys))}")
    for key in keys:
        target.delete(key)
    require(not any(target.entries()), "entries stay after every key was deleted")


def refuses_every_other_key(target: Target[Settings]) -> None:
    """A key that the rules do not allow is refused with KeyRefused, whatever is asked of it, and nothing is changed."""
    target.store("a/b", [b"x"])
    root, _ = whole(target)
    for key in BAD:
        for which in (target, root):
            for name, call in _calls(which, key):
                with refused(KeyRefused, f"{name} of {key[:130]!r}"):
                    call()
    require([entry.key for entry in files(target)] == ["a/b"], "a key that is refused has changed what is stored")


def _calls(target: Target[Settings], key: str) -> Iterator[tuple[str, Callable[[], object]]]:
    yield "store", lambda: target.store(key, [b"x"])
    yield "stat", lambda: target.stat(key)
    yield "fetch", lambda: list(target.fetch(key))
    yield "delete", lambda: target.delete(key)
    if key:
        yield "entries", lambda: list(target.entries(key))
