"""A target's own thread during a run, so that a target that hangs holds up neither the others nor the report.

A hard mount whose server is gone blocks in the kernel, and nothing wakes it up. So whatever a run does on a target goes
through the target's lane; who waits for it waits only as long as something moves there.
"""

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, wait
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self, TypeVar

from typing_extensions import Buffer

from vmbackup.contracts import Entry, Leftover, OtherNames, Stored, Target
from vmbackup.errors import TargetStalled
from vmbackup.repository import Repository
from vmbackup.settings import Settings

T = TypeVar("T")
USUAL_STALL = 600.0


class Lane:
    """The thread of one target. What hangs on it is left behind; the lane is open again once that has ended."""

    def __init__(self, repository: Repository, stall: float = USUAL_STALL) -> None:
        """`stall` is how long nothing may move on the target, in seconds, while somebody waits for it."""
        self._moved = time.monotonic()
        self.repository = repository.through(lambda target: _Pulsing(target, self.beat))
        self.label = repository.target.label
        self._stall = stall
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._unstuck: Callable[[], bool] | None = None
        threading.Thread(target=self._run, name=f"vmbackup-{self.label}", daemon=True).start()

    def close(self) -> None:
        """Let the thread end once it has done its work."""
        self._work.put(None)

    def beat(self) -> None:
        """Note that something moves."""
        self._moved = time.monotonic()

    @property
    def patience(self) -> float:
        """How many seconds more it may take until something moves; 0 when they are over."""
        return max(0.0, self._moved + self._stall - time.monotonic())

    def start(self, work: Callable[[Repository], T]) -> Future[T]:
        """Begin something on the target. Raises TargetStalled while something else hangs there."""
        if self._unstuck is not None and not self._unstuck():
            raise TargetStalled(f"the target {self.label} still hangs, and is left out")
        future: Future[T] = Future()
        self.beat()
        self._work.put(lambda: _settle(future, work, self.repository))
        return future

    def finish(self, future: Future[T]) -> None:
        """Wait until what was begun has ended, well or badly. Raises TargetStalled when nothing moves any more."""
        while not future.done():
            if not self.patience:
                raise self.leave(future)
            wait([future], timeout=self.patience)

    def do(self, work: Callable[[Repository], T]) -> T:
        """Do something on the target, wait for it, and return or raise what it does."""
        future = self.start(work)
        self.finish(future)
        return future.result()

    def exit(self) -> None:
        """Leave the target; while something hangs there, in a thread beside its own, for that may end what hangs.

        A private mount that is given up by force lets go of what waits in the kernel, which nothing else can end: the
        process would not even die. Raises TargetStalled when leaving hangs as well.
        """

        def leave(repository: Repository) -> None:
            repository.target.__exit__(None, None, None)

        try:
            future = self.start(leave)
        except TargetStalled:
            future = Future()
            self.beat()
            threading.Thread(target=_settle, args=(future, leave, self.repository), daemon=True).start()
        self.finish(future)
        future.result()

    def leave(self, future: Future[T]) -> TargetStalled:
        """Leave behind what hangs, and return the error that says so."""
        self._unstuck = future.done
        return TargetStalled(
            f"the target {self.label} hangs: for {self._stall:.0f} s nothing has moved there",
            advice="Look whether its server is up and its disk answers; the other targets go on without it.",
        )

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            work()


def _settle(future: Future[T], work: Callable[[Repository], T], repository: Repository) -> None:
    try:
        future.set_result(work(repository))
    except BaseException as error:  # noqa: BLE001 - it goes on in the thread that waits
        future.set_exception(error)


class _Pulsing(Target[Settings]):
    """A target that tells of each of its movements."""

    name: ClassVar[str] = "lane"

    def __init__(self, target: Target[Settings], beat: Callable[[], None]) -> None:
        super().__init__(target.label, target.settings)
        self._target = target
        self._beat = beat

    def __enter__(self) -> Self:
        self._target.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self._target.__exit__(kind, error, trace)

    def store(self, key: str, chunks: Iterable[Buffer]) -> Stored:
        return self._then_beat(self._target.store(key, self._beating(chunks)))

    def stat(self, key: str) -> Stored | None:
        return self._then_beat(self._target.stat(key))

    def local_path(self, key: str) -> Path | None:
        return self._target.local_path(key)

    def other_names(self) -> OtherNames | None:
        return self._target.other_names()

    def fetch(self, key: str, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        return self._beating(self._target.fetch(key, offset, length))

    def entries(self, prefix: str = "") -> Iterator[Entry]:
        return self._beating(self._target.entries(prefix))

    def delete(self, key: str) -> None:
        self._then_beat(self._target.delete(key))

    def locked_until(self, key: str) -> datetime | None:
        return self._then_beat(self._target.locked_until(key))

    def free(self) -> int | None:
        return self._then_beat(self._target.free())

    def leftovers(self) -> Iterator[Leftover]:
        return self._beating(self._target.leftovers())

    def discard(self, leftover: Leftover) -> None:
        self._then_beat(self._target.discard(leftover))

    def _then_beat(self, value: T) -> T:
        self._beat()
        return value

    def _beating(self, items: Iterable[T]) -> Iterator[T]:
        for item in items:
            self._beat()
            yield item
            self._beat()
        self._beat()
