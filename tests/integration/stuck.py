"""A mirror that hangs for ever in its first copy."""

import threading
from collections.abc import Iterable, Iterator

from vmbackup import Mirror, Original, Plugin, Settings, hookimpl


class Stuck(Mirror[Settings]):
    """Hangs."""

    name = "stuck"

    def holds(self) -> Iterator[str]:
        yield from ()

    def copy(self, original: Original) -> None:
        threading.Event().wait()

    def remove(self, folder: str) -> None:
        raise NotImplementedError


@hookimpl
def vmbackup_register() -> Iterable[type[Plugin[Settings]]]:
    return (Stuck,)
