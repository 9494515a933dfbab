"""Where a run can be watched: a socket for each job in the state folder, and how the last run of it has ended."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SOCKET = ".socket"
ENDED = ".json"


def folder_in(state: Path) -> Path:
    """Return the folder for both; its owner alone may look into it."""
    return state / "live"


@contextmanager
def address(folder: Path, job: str) -> Iterator[str]:
    """Give the socket's address, which the kernel wants short however deep the folder lies (unix(7): 108 bytes).

    Raises OSError where there is no such folder.
    """
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{job}{SOCKET}"
    finally:
        os.close(descriptor)
