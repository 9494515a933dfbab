"""Promises about several threads: a job writes several files to one target at once."""

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from vmbackup.conformance.content import MIB, files, noise, require_stored
from vmbackup.conformance.holding import PromiseBroken, require
from vmbackup.contracts import Stored, Target
from vmbackup.errors import KeyExists
from vmbackup.settings import Settings

WAIT_SECONDS = 10
PIECES = 4


def lets_one_writer_win(target: Target[Settings]) -> None:
    """Of two that store under one key at once one succeeds, the other gets KeyExists, and the file is whole."""
    for turn in range(4):
        key = f"a/{turn}"
        outcomes = _together(target, [key, key])
        won = [number for number, outcome in enumerate(outcomes) if isinstance(outcome, Stored)]
        lost = [outcome for outcome in outcomes if not isinstance(outcome, Stored)]
        require(len(won) == 1, f"of two that stored {key} at once {len(won)} succeeded: {outcomes}")
        require(isinstance(lost[0], KeyExists), f"who came second was told {lost[0]!r}; KeyExists is due")
        require_stored(target, key, _content(won[0]))
    require(len(list(files(target))) == turn + 1, "two who store under one key leave something else")


def lets_writers_work_side_by_side(target: Target[Settings]) -> None:
    """Two that store different keys of one folder at the same time both succeed, and neither waits for the other."""
    keys = ["new/folder/one", "new/folder/two"]
    for key, outcome in zip(keys, _together(target, keys), strict=True):
        if isinstance(outcome, threading.BrokenBarrierError):
            raise PromiseBroken("of two that store different keys at once, one waits until the other is done")
        require(isinstance(outcome, Stored), f"while another key was stored, storing {key} failed: {outcome!r}")
    for number, key in enumerate(keys):
        require_stored(target, key, _content(number))


def _content(number: int) -> bytes:
    return b"".join(noise(MIB, f"{number} {piece}") for piece in range(PIECES))


def _together(target: Target[Settings], keys: list[str]) -> list[Stored | BaseException]:
    """Store under each key in a thread of its own, so that each has begun before any has ended."""
    barrier = threading.Barrier(len(keys), timeout=WAIT_SECONDS)

    def source(number: int) -> Iterator[bytes]:
        for piece in range(PIECES):
            if piece == 1:
                barrier.wait()
            yield noise(MIB, f"{number} {piece}")

    with ThreadPoolExecutor(len(keys)) as pool:
        try:
            futures = [pool.submit(target.store, key, source(number)) for number, key in enumerate(keys)]
            return [_outcome(future) for future in futures]
        finally:
            # If we are interrupted, none may wait for the other any longer.
            barrier.abort()


def _outcome(future: "Future[Stored]") -> Stored | BaseException:
    return future.exception() or future.result()
