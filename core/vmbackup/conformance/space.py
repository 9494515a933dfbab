"""Promises about room: what is known of it, and what happens when there is none."""

import time
from collections.abc import Iterator

from vmbackup.conformance.content import MIB, files, noise, require_absent, require_stored
from vmbackup.conformance.holding import refused, require
from vmbackup.contracts import Target
from vmbackup.errors import TargetError
from vmbackup.settings import Settings

SMALL = 256 * MIB
FREED_SECONDS = 30


def says_how_much_is_free(target: Target[Settings]) -> None:
    """`free` is a number of bytes, in which what can be stored fits, or None where nobody knows."""
    free = target.free()
    if free is None:
        return
    require(type(free) is int and free >= 0, f"free says {free!r}; it must be a number of bytes, or None")
    size = 8 * MIB
    target.store("a/key", [noise(size)])
    require(free >= size, f"free said {free:,} bytes, and {size:,} could be stored")


def stays_usable_when_full(target: Target[Settings]) -> None:
    """A file for which there is no room is a TargetError and leaves nothing; a smaller one can be stored after it.

    Needs a target with less than 256 MiB of room.
    """
    sent = 0

    def source() -> Iterator[bytes]:
        nonlocal sent
        while sent < SMALL:
            yield noise(MIB, str(sent))
            sent += MIB

    target.store("before", [b"x"])
    room = target.free()
    for key in ("full/image.xva", "full/disk-0.raw"):
        sent = 0
        with refused(TargetError, "storing more than there is room for"):
            target.store(key, source())
        require_absent(target, key)
        require(
            [entry.key for entry in target.entries()] == ["before"], f"{key} did not fit, and something of it stays"
        )
    # Where writes are kept back, as on NFS, far more may have been taken than there is room for before one fails.
    fits = sent if room is None else min(sent, room)
    half = [noise(MIB, str(number)) for number in range(max(1, fits // MIB // 2))]
    _await_room(target, len(half) * MIB)
    target.store("after", half)
    require_stored(target, "after", b"".join(half))
    require({entry.key for entry in files(target)} == {"before", "after"}, "a full target has lost or gained a file")


def _await_room(target: Target[Settings], size: int) -> None:
    """Wait for a server that frees what was deleted a moment later, as Linux' own for NFS does."""
    end = time.monotonic() + FREED_SECONDS
    while (room := target.free()) is not None and room < size and time.monotonic() < end:
        time.sleep(0.1)
