"""Bodies that stand still for a while, or pass slowly, by a rule."""

import time
from collections.abc import Iterator

from vmbackup.simulator import tasks
from vmbackup.simulator.errors import XapiError
from vmbackup.simulator.faults import Slow, Stall
from vmbackup.simulator.handlers.exchange import Exchange
from vmbackup.simulator.wire import PeerGone

_CREEP = 1e-4  # share of what is left that a stalled body's task gains at each look
_TENTH = 10  # pieces per second of a slow body


def stall(exchange: Exchange, task: str, rule: Stall) -> None:
    """Wait as a rule says. Raises PeerGone, and XapiError `TASK_CANCELLED`."""
    pool = exchange.pool

    def on() -> bool:
        if pool.stopping.is_set():
            return False
        if not rule.deaf:
            if exchange.wire.peer_is_gone():
                raise PeerGone("the client went away while the body stood still")
            if tasks.is_cancelled(pool, task):
                raise XapiError("TASK_CANCELLED", task)
        if rule.progress == "moves" and pool.db.has("task", task) and not tasks.is_cancelled(pool, task):
            progress = pool.db.get("task", task)["progress"]
            tasks.advance(pool, task, progress + (1 - progress) * _CREEP)
        return True

    pool.faults.hold(rule, rule.seconds, on)


class Pace:
    """Lets bytes pass no faster than a rule says, as long as it is in force."""

    def __init__(self, exchange: Exchange, rule: Slow) -> None:
        self._exchange = exchange
        self._rule = rule
        self._due = time.monotonic()

    @property
    def piece(self) -> int:
        """How many bytes pass at a time."""
        return max(1, self._rule.rate // _TENTH)

    def pieces(self, part: bytes | memoryview) -> Iterator[memoryview]:
        """Give a part piece by piece, each when it is due."""
        view = memoryview(part)
        for start in range(0, len(view), self.piece):
            piece = view[start : start + self.piece]
            yield piece
            self.wait(len(piece))

    def wait(self, count: int) -> None:
        """Wait until so many bytes more may have passed."""
        self._due = max(self._due, time.monotonic() - 1) + count / self._rule.rate
        pool = self._exchange.pool
        pool.faults.hold(self._rule, self._due - time.monotonic(), lambda: not pool.stopping.is_set())
