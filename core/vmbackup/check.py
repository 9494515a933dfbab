"""A configured target, live: does it keep what targets promise, and how fast is it."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from vmbackup.conformance import PROMISES, Promise, PromiseBroken, hold
from vmbackup.conformance.content import MIB, noise
from vmbackup.conformance.holding import SCRATCH
from vmbackup.contracts import Target
from vmbackup.errors import TargetError, VmbackupError
from vmbackup.settings import Settings

# A round that takes less is over before links and caches are in their stride, so the next is four times as large.
ROUND_SECONDS = 3.0
FIRST_ROUND, LAST_ROUND, GROWTH = 16 * MIB, 4096 * MIB, 4
# A check must not fill what backups are to go to.
SHARE_OF_FREE = 10

Tell = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Finding:
    """What became of one promise: `reason` says how it was broken, and is empty where it was kept."""

    promise: str
    reason: str = ""

    @property
    def kept(self) -> bool:
        """Whether the promise was kept."""
        return not self.reason


@dataclass(frozen=True, slots=True)
class Speed:
    """How long it took to store `size` bytes to the end of their flush, and to fetch them again, in seconds."""

    size: int
    write_seconds: float
    read_seconds: float


def refuse_locks(target: Target[Settings], owner: str) -> None:
    """Raise TargetError where what is stored cannot be deleted, so that all that a check writes would stay.

    One empty file does, in the folder that `owner` checks in.
    """
    key = f"{SCRATCH}/{owner}/lock"
    if target.stat(key) is None:
        target.store(key, [])
    until = target.locked_until(key)
    if until is not None:
        raise TargetError(
            f"target {target.label} is not checked: it locks what is stored, {key} until {until:%Y-%m-%d %H:%M:%S} UTC",
            advice="Check a section that is the same but for its lock, in another place.",
        )
    target.delete(key)


def examine(target: Target[Settings], folder: str) -> Iterator[Finding]:
    """Hold an entered target against every promise, in `folder`."""
    for promise in PROMISES:
        yield Finding(words(promise), _broken(target, promise, folder))


def words(promise: Promise) -> str:
    """Return what a promise is called, as words."""
    return promise.__name__.replace("_", " ")


def _broken(target: Target[Settings], promise: Promise, folder: str) -> str:
    try:
        hold(target, promise, folder)
    except PromiseBroken as error:
        return str(error)
    except VmbackupError as error:
        return f"{error.message} {error.advice}".strip()
    except Exception as error:  # noqa: BLE001 - what else a target raises is a bug in it, and a finding
        return f"{type(error).__name__}: {error} (a bug in this target's plugin)"
    return ""


def measure(target: Target[Settings], folder: str, size: int | None, tell: Tell) -> Speed:
    """Store a file that does not compress and fetch it again; `tell` is told the bytes of both, as they pass.

    Where no `size` is given, the file grows until it takes a few seconds to store, 4 GiB or a tenth of the free space.
    """
    key = f"{folder}/speed"
    if size is not None:
        return _round(target, key, size, tell)
    free = target.free()
    most = LAST_ROUND if free is None else min(LAST_ROUND, max(FIRST_ROUND, free // SHARE_OF_FREE))
    size = FIRST_ROUND
    while (speed := _round(target, key, size, tell)).write_seconds < ROUND_SECONDS and size * GROWTH <= most:
        size *= GROWTH
    return speed


def _round(target: Target[Settings], key: str, size: int, tell: Tell) -> Speed:
    started = time.monotonic()
    target.store(key, _pieces(size, tell))
    stored = time.monotonic()
    found = 0
    for piece in target.fetch(key):
        found += len(piece)
        tell(len(piece))
    fetched = time.monotonic()
    target.delete(key)
    if found != size:
        raise TargetError(f"target {target.label}: {size:,} bytes were stored as {key}, and {found:,} come back")
    return Speed(size, stored - started, fetched - stored)


def _pieces(size: int, tell: Tell) -> Iterator[memoryview]:
    """Yield pieces of 1 MiB, as a backup does; each is another one than the fifteen before it."""
    with memoryview(noise(16 * MIB)) as data:
        for offset in range(0, size, MIB):
            start, length = offset % len(data), min(MIB, size - offset)
            yield data[start : start + length]
            tell(length)
