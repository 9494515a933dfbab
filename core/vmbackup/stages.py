"""Where the time of a stream goes: each thread on its way notes what it is at, so that the slowest stage is known.

A stream has three kinds of threads: one reads it from the pool and checks it, one digests and compresses it, and each
target has one. A thread that has to wait for another is as fast as that other lets it be. So the slowest stage is the
one that takes the largest part of its own thread's time.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

T = TypeVar("T")
# What a thread can be at. Whether the pool or the network is slow cannot be seen from here: both are silence.
WAITS = "waits"
POOL = "pool or network"
CHECKS = "checks"
COMPRESSION = "compression"

Spent = Mapping[tuple[str, str], float]
"""Seconds by thread and by what it was at."""


class Clock:
    """What one thread has been at: told by that thread at each turn, read by others at any moment."""

    def __init__(self) -> None:
        """Begin by waiting."""
        self._spent: dict[str, float] = {}
        self._now = (WAITS, time.monotonic())

    def turn(self, to: str) -> None:
        """Note that the thread turns to something else."""
        at, since = self._now
        now = time.monotonic()
        self._spent[at] = self._spent.get(at, 0.0) + now - since
        self._now = (to, now)

    def passing(self, items: Iterable[T], inside: str, outside: str) -> Iterator[T]:
        """Yield the items: the thread is at `inside` while they are made, at `outside` while they are used."""
        self.turn(inside)
        for item in items:
            self.turn(outside)
            yield item
            self.turn(inside)
        self.turn(outside)

    def spent(self) -> dict[str, float]:
        """Return the seconds that each thing has taken so far, what the thread is at now among them."""
        spent = dict(self._spent)
        at, since = self._now
        spent[at] = spent.get(at, 0.0) + time.monotonic() - since
        return spent


class Stages:
    """The clocks of one stream's threads."""

    def __init__(self) -> None:
        """Begin with the threads that every stream has."""
        self.reading = Clock()
        self.packing = Clock()
        self._storing: dict[str, Clock] = {}

    def store(self, label: str, chunks: Iterable[T]) -> Iterator[T]:
        """Yield to a target what it stores, on its thread: there it waits for chunks, or takes its time with them."""
        clock = self._storing[label] = Clock()
        return clock.passing(chunks, WAITS, f"target {label}")

    def spent(self) -> Spent:
        """Return where the time of all threads has gone so far."""
        clocks = {"reading": self.reading, "packing": self.packing, **self._storing.copy()}
        return {(thread, at): seconds for thread, clock in clocks.items() for at, seconds in clock.spent().items()}


def slowest(before: Spent, after: Spent) -> str:
    """Return the stage that took the most of its thread's time between two looks, or "" where nothing took any.

    All threads have gone through the same time, so that seconds compare as shares do.
    """
    grown = {(thread, at): seconds - before.get((thread, at), 0.0) for (thread, at), seconds in after.items()}
    working = {key: seconds for key, seconds in grown.items() if key[1] != WAITS and seconds > 0}
    return max(working, key=lambda key: working[key])[1] if working else ""
