"""How a target is held against a promise: in a folder of its own, which is empty before and gone afterwards."""

import contextlib
import secrets
from collections.abc import Callable, Iterator

from vmbackup.conformance.below import Below
from vmbackup.contracts import Target
from vmbackup.settings import Settings

Promise = Callable[[Target[Settings]], None]
SCRATCH = "vmbackup-check"


class PromiseBroken(AssertionError):
    """A target does not do what targets promise; the message says what it did instead."""


def require(kept: bool, message: str) -> None:  # noqa: FBT001 - reads as `assert`, which an optimised Python leaves out
    """Raise PromiseBroken with `message` unless `kept`."""
    if not kept:
        raise PromiseBroken(message)


@contextlib.contextmanager
def refused(kind: type[Exception], what: str) -> Iterator[None]:
    """Require that the `with` raises `kind`; `what` says what was tried."""
    try:
        yield
    except kind:
        return
    except Exception as error:
        raise PromiseBroken(f"{what} raised {type(error).__name__}, not {kind.__name__}: {error}") from error
    raise PromiseBroken(f"{what} was not refused; {kind.__name__} is due")


@contextlib.contextmanager
def taken(what: str) -> Iterator[None]:
    """Require that the `with` raises nothing; `what` says what was tried."""
    try:
        yield
    except PromiseBroken:
        raise
    except Exception as error:
        raise PromiseBroken(f"{what} raised {type(error).__name__}, and is no error: {error}") from error


def hold(target: Target[Settings], promise: Promise, scratch: str = SCRATCH) -> None:
    """Hold `target`, which is entered, against `promise` in a new folder below `scratch`, and remove all of that again.

    What lies elsewhere on the target is neither read nor touched. Raises PromiseBroken, or what the target raises.
    """
    below = Below(target, f"{scratch}/{secrets.token_hex(8)}")
    try:
        promise(below)
    except BaseException:
        # The first failure is the one to tell.
        with contextlib.suppress(Exception):
            clear(below)
        raise
    clear(below)
    require(not any(below.entries()), f"something stays in {below.folder} when all that was stored is deleted")


@contextlib.contextmanager
def scratch(target: Target[Settings], owner: str) -> Iterator[str]:
    """Give a folder to hold promises in, that is removed at the end, however that comes.

    `owner` is a part of a key, and nobody else uses it now: what it left there when it was killed is removed first.
    """
    below = Below(target, f"{SCRATCH}/{owner}")
    _sweep(below)
    try:
        yield below.folder
    finally:
        _sweep(below)


def _sweep(target: Target[Settings]) -> None:
    _delete_files(target, "")
    discard_leftovers(target)


def clear(target: Target[Settings]) -> None:
    """Empty a target: delete every file, and what is unfinished if a folder stays all the same."""
    _delete_files(target, "")
    if any(target.entries()):
        discard_leftovers(target)


def discard_leftovers(target: Target[Settings]) -> None:
    """Discard all that is unfinished on a target. This reads every folder, which takes its time on a large one."""
    for leftover in list(target.leftovers()):
        target.discard(leftover)


def _delete_files(target: Target[Settings], folder: str) -> None:
    for entry in list(target.entries(folder)):
        if entry.size is None:
            _delete_files(target, entry.key)
        else:
            target.delete(entry.key)
    # A folder in which nothing lies goes with the name of something that might; a short one, for the longest keys.
    target.delete(f"{folder}/0" if folder else "0")
