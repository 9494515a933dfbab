"""SIGINT, SIGTERM and SIGHUP: the first asks for a clean end within 30 seconds, the second ends at once."""

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from types import FrameType
from typing import NoReturn

from vmbackup.errors import Interrupted
from vmbackup.state import State

CLEANUP_SECONDS = 30
WATCHED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def interruptible(state: State) -> Iterator[None]:
    """Turn the first signal into Interrupted and give the cleanup its time; what is left after that is named."""
    received: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        number = signal.SIGTERM if number == signal.SIGHUP else number
        if received:
            _leave(state, received[0])
        received.append(number)
        signal.alarm(CLEANUP_SECONDS)
        sys.stderr.write("vmbackup: stopping; cleaning up for at most 30 s (again to stop at once)\n")
        raise Interrupted(number)

    def too_late(_number: int, _frame: FrameType | None) -> None:
        # Without a signal before it, the alarm is somebody else's.
        if received:
            _leave(state, received[0])

    before = {number: signal.signal(number, stop) for number in WATCHED}
    before[signal.SIGALRM] = signal.signal(signal.SIGALRM, too_late)
    try:
        yield
    finally:
        signal.alarm(0)
        for number, handler in before.items():
            signal.signal(number, handler)


def _leave(state: State, number: int) -> NoReturn:
    """End at once, naming what is left: the journal holds it, and the next run cleans it up."""
    for path in state.journals.glob("*.jsonl"):
        sys.stderr.write(f"vmbackup: left for the next run to clean up: {path}\n")
    sys.stderr.flush()
    os._exit(128 + number)
