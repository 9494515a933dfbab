"""A mirror's own thread during a run: backups go there while the next VM is being exported."""

import queue
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace

from vmbackup.config import MirrorRules
from vmbackup.contracts import Mirror
from vmbackup.errors import LockHeld
from vmbackup.lane import USUAL_STALL
from vmbackup.mirroring.visit import Lying, Visit
from vmbackup.results import Failure, Mirrored
from vmbackup.settings import Settings

Work = Callable[[Visit], Iterator[Mirrored]]
# How often it is looked whether the mirror has become free, in seconds.
_PAUSE = 0.5


class Courier:
    """Copies to one mirror what it is given, and is left behind where the mirror hangs. It never fails a run."""

    def __init__(
        self,
        mirror: Mirror[Settings],
        rules: MirrorRules,
        lock: Callable[[], AbstractContextManager[None]],
        stall: float = USUAL_STALL,
    ) -> None:
        """Begin on a thread of its own; `stall` is how long nothing may move while somebody waits, in seconds.

        `lock` keeps others of this installation from the mirror, and raises LockHeld while one of them has it.
        """
        self._mirror = mirror
        self._rules = rules
        self._lock = lock
        self._held: LockHeld | None = None
        self._dismissed = threading.Event()
        self._stall = stall
        self._moved = time.monotonic()
        self._work: queue.SimpleQueue[Work | None] = queue.SimpleQueue()
        self._results: list[Mirrored] = []
        self._thread = threading.Thread(target=self._run, name=f"vmbackup-mirror-{mirror.label}", daemon=True)
        self._thread.start()

    def bring(self, lying: Iterable[Lying]) -> None:
        """Have it copy what the mirror lacks of these backups."""
        given = tuple(lying)
        self._work.put(lambda visit: visit.bring(given))

    def clear(self, there: Collection[str] | None) -> None:
        """Have it remove what the mirror need not keep; see `Visit.clear`."""
        self._work.put(lambda visit: visit.clear(there))

    def dismiss(self) -> None:
        """Let it end after what it does at this moment, without waiting for it."""
        self._dismissed.set()
        self._work.put(None)

    def finish(self) -> list[Mirrored]:
        """Wait until all is done, or nothing moves any more, and return what came of it."""
        self._work.put(None)
        self._beat()
        while self._thread.is_alive():
            left = self._moved + self._stall - time.monotonic()
            if left <= 0:
                return [*self._results, Mirrored(self._mirror.label, "", "reached", failure=self._standstill())]
            self._thread.join(left)
        return list(self._results)

    def _standstill(self) -> Failure:
        later = "`vmbackup mirror` goes on with it later."
        if self._held:
            return Failure("mirror", self._held.code, self._held.message, later)
        message = f"the mirror {self._mirror.label} hangs: for {self._stall:.0f} s nothing has moved there"
        return Failure("mirror", "MirrorStalled", message, later)

    def _beat(self) -> None:
        self._moved = time.monotonic()

    def _run(self) -> None:
        try:
            with ExitStack() as stack:
                if not self._take_turn(stack):
                    return
                mirror = stack.enter_context(self._mirror)
                visit = Visit(mirror, self._rules, self._beat)
                while (work := self._work.get()) is not None:
                    for result in work(visit):
                        self._results.append(result)
        except BaseException as error:  # noqa: BLE001 - a stranger's plugin may raise anything, and no run fails by it
            failure = Failure.of("mirror", error)
            failure = replace(failure, message=f"{self._mirror.label}: {failure.message}")
            self._results.append(Mirrored(self._mirror.label, "", "reached", failure=failure))

    def _take_turn(self, stack: ExitStack) -> bool:
        """Wait until nobody else of this installation is at the mirror; return whether that came before the end."""
        while not self._dismissed.is_set():
            try:
                stack.enter_context(self._lock())
            except LockHeld as held:
                self._held = held
                self._dismissed.wait(_PAUSE)
            else:
                self._held = None
                return True
        return False
