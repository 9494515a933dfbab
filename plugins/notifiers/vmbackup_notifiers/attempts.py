"""What may pass by itself is tried again at once; the core does so again much later."""

import time
from collections.abc import Callable
from typing import TypeVar

from vmbackup import NotifyError

T = TypeVar("T")


class Passing(NotifyError):
    """What kept a report from being told may be over in a moment."""

    @property
    def code(self) -> str:
        """The same as that of others: it says nothing to whoever reads the report."""
        return NotifyError.__name__


def tried(call: Callable[[], T], retries: int, wait: float) -> T:
    """Call until it is no Passing that is raised, `retries` times more at most; `wait` seconds first, then doubled."""
    for attempt in range(retries):
        try:
            return call()
        except Passing:
            time.sleep(wait * 2**attempt)
    return call()
