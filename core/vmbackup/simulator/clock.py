"""The server's clock, in the notation of the wire."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

_NOTATION = "%Y%m%dT%H:%M:%SZ"


class Clock:
    """The time of a pool, which can be moved on; what waits in real time (a retry, a stall) is not hurried by it."""

    def __init__(self) -> None:
        self._ahead = 0.0
        self._lock = threading.Lock()
        self.moved: Callable[[], None] = lambda: None

    def seconds(self) -> float:
        """Give this instant in seconds since 1970."""
        with self._lock:
            return time.time() + self._ahead

    def now(self) -> str:
        """Give this instant in UTC, `YYYYMMDDTHH:MM:SSZ`."""
        return written(datetime.fromtimestamp(self.seconds(), UTC))

    def advance(self, seconds: float) -> None:
        """Move the clock on and let the server do what is due by then, once."""
        with self._lock:
            self._ahead += seconds
        self.moved()


def written(instant: datetime) -> str:
    """Write an instant in UTC in the notation of the wire."""
    return instant.strftime(_NOTATION)


def parse(text: str) -> float:
    """Read a date of the wire as seconds since 1970."""
    return datetime.strptime(text, _NOTATION).replace(tzinfo=UTC).timestamp()
