"""Calls of a stranger's code, of which nothing comes but a value or a failure, whatever it raises or changes.

One that never ends is left behind.

What this cannot hold: code that ends the process or breaks its memory, and code that waits where the kernel lets nobody
go. A run whose process dies is cleaned up after by the next one.
"""

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import dataclass, replace
from functools import partial
from typing import Generic, TypeVar

from vmbackup.errors import VmbackupError
from vmbackup.process_state import kept
from vmbackup.results import Failure

T = TypeVar("T")
# How the thread of a call that has been given up is called.
LEFT_BEHIND = "vmbackup-left-behind"
WORDS = 4000
WAIT_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Ended(Generic[T]):
    """What came of a call. `value` is what it returned, unless there is a `failure`; `changes` are warnings.

    A call that `hangs` was given up, and is still under way; any other that failed has raised `error`.
    """

    value: T | None
    failure: Failure | None
    changes: tuple[Failure, ...]
    error: BaseException | None = None
    hangs: bool = False

    @property
    def said(self) -> tuple[Failure, ...]:
        """All that there is to say about it."""
        return (self.failure, *self.changes) if self.failure else self.changes


class Contained:
    """Makes one call after the other, on a thread of their own; one that hangs is left behind with its thread."""

    def __init__(self, seconds: float) -> None:
        """`seconds` is how long a call may take."""
        self._seconds = seconds
        self._thread: _Thread | None = None

    def call(self, who: str, call: Callable[[], T]) -> Ended[T]:
        """Make the call and tell what came of it. An interruption goes on, and leaves the call behind."""
        changes: list[str] = []
        hangs = True
        thread, self._thread = self._thread or _Thread(), None
        try:
            with kept(changes, thread.thread):
                future = thread.start(partial(_outcome, who, call))
                hangs = not _wait(future, self._seconds)
        finally:
            if hangs:
                thread.leave(who)
            else:
                self._thread = thread
        told = tuple(Failure(who, "Changed", f"it has {change}") for change in changes)
        if hangs:
            return Ended(None, self._hangs(who), told, hangs=True)
        value, failure, error = future.result()
        return Ended(value, failure, told, error)

    def close(self) -> None:
        """Let the thread end."""
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.close()

    def _hangs(self, who: str) -> Failure:
        return Failure(who, "Hangs", f"it has not returned for {self._seconds:g} s, and was left behind")


def _wait(future: Future[T], seconds: float) -> bool:
    """Wait until it is done, and say whether it is."""
    deadline = time.monotonic() + seconds
    while not future.done() and (left := deadline - time.monotonic()) > 0:
        # A signal that arrives just before a wait is heard only after it.
        wait([future], min(left, WAIT_SECONDS))
    return future.done()


class _Thread:
    def __init__(self) -> None:
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self.thread = threading.Thread(target=self._run, name="vmbackup-stranger", daemon=True)
        self.thread.start()

    def start(self, call: Callable[[], T]) -> Future[T]:
        future: Future[T] = Future()
        self._work.put(lambda: future.set_result(call()))
        return future

    def leave(self, who: str) -> None:
        self.thread.name = f"{LEFT_BEHIND}: {who}"
        self.close()

    def close(self) -> None:
        self._work.put(None)

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            work()


def _outcome(who: str, call: Callable[[], T]) -> tuple[T | None, Failure | None, BaseException | None]:
    try:
        return call(), None, None
    except BaseException as error:  # noqa: BLE001 - a stranger may raise anything, even exit
        return None, described(who, error), error


def described(who: str, error: BaseException) -> Failure:
    """Describe what a stranger's code has raised; its own words are a stranger's code as well."""
    try:
        failure = Failure.of(who, error)
        texts = (str(failure.message), str(failure.advice))
        if not isinstance(error, VmbackupError):
            texts = (texts[0], "This is a bug of the plugin: report it to its author.")
        message, advice = (text[:WORDS].encode(errors="backslashreplace").decode() for text in texts)
        return replace(failure, code=str(failure.code), message=message, advice=advice)
    except BaseException:  # noqa: BLE001 - as above
        return Failure(who, "Exception", "it has raised something that cannot be told in words")
