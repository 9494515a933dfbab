"""Ends a transfer that stands still, or whose time is up, however long its connection stays open.

A silent connection is not a dead one: dom0 sends nothing for minutes while it compresses zeros, and the pool's task
goes on meanwhile. So a transfer stands still only when neither bytes nor the task's progress have moved.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from vmbackup.errors import Stalled, TimeUp, VmbackupError


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a transfer may be silent before its first byte and after it, in seconds, and when it must end.

    `deadline` is a moment of `time.monotonic()`.
    """

    first_byte: float = 1800.0
    stall: float = 600.0
    deadline: float | None = None


def stalled(doing: str, seconds: float) -> Stalled:
    """Say that nothing has moved for so many seconds."""
    return Stalled(
        f"{doing}: for {seconds:.0f} s neither a byte passed nor did the pool's task go on",
        advice="Look at the network between here and the host, and at the host's load.",
    )


def time_up(doing: str) -> TimeUp:
    """Say that what `max-duration` gives is over."""
    return TimeUp(f"{doing}: the time that max-duration gives it is up")


class Watchdog:
    """Looks at one transfer from a thread of its own, and calls `stop` once it has to end."""

    def __init__(self, doing: str, limits: Limits, progress: Callable[[], float], stop: Callable[[], None]) -> None:
        """`progress` asks the pool's task; it is called rarely, and only while the transfer is silent."""
        self._doing = doing
        self._limits = limits
        self._progress = progress
        self._stop = stop
        self._moved = time.monotonic()
        self._begun = False
        self._held = False
        self._seen = -1.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="vmbackup-watchdog", daemon=True)
        self.reason: VmbackupError | None = None

    def __enter__(self) -> Self:
        """Begin to watch."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        """Stop watching; a question that the pool does not answer is not waited for."""
        self._over.set()
        self._thread.join(timeout=2)

    def beat(self) -> None:
        """Tell that bytes have moved, or that the next are waited for from now on."""
        self._moved = time.monotonic()
        self._begun = True
        self._held = False

    def hold(self) -> None:
        """Tell that nobody waits for the pool, until the next beat: a slow target is no stall of the pool's."""
        self._held = True

    def _watch(self) -> None:
        pause = min(1.0, self._limits.stall / 4)
        while not self._over.wait(pause):
            self.reason = self._look(time.monotonic())
            if self.reason:
                self._stop()
                return

    def _look(self, now: float) -> VmbackupError | None:
        if self._limits.deadline is not None and now > self._limits.deadline:
            return time_up(self._doing)
        if self._held:
            return None
        limit = self._limits.stall if self._begun else self._limits.first_byte
        if now - self._moved < min(limit, self._limits.stall):
            return None
        seen = self._asked()
        if seen > self._seen:
            self._seen, self._moved = seen, now
            return None
        if now - self._moved < limit:
            return None
        return stalled(self._doing, limit)

    def _asked(self) -> float:
        """Return the task's progress; one that nobody can tell has not moved."""
        try:
            return self._progress()
        except VmbackupError:
            return self._seen
