"""How the process ends: also where a stranger's code is still at work in it."""

import contextlib
import os
import sys
import threading
import time
from typing import NoReturn

from vmbackup.containment import LEFT_BEHIND

# What a plugin has begun on threads of its own may take so long when all else is done.
LAST_SECONDS = 10.0


def end(code: int) -> NoReturn:
    """Exit with `code`; nobody waits for what was left behind, nor long for the threads that plugins have started.

    The interpreter would wait for them, or pull its own parts from under them.
    """
    deadline = time.monotonic() + LAST_SECONDS
    for thread in _others():
        if not thread.name.startswith(LEFT_BEHIND):
            thread.join(max(0.0, deadline - time.monotonic()))
    if left := [thread.name for thread in _others()]:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(f"vmbackup: ends without waiting for: {', '.join(left)}\n")
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(code)
    sys.exit(code)


def _others() -> list[threading.Thread]:
    return [
        thread
        for thread in threading.enumerate()
        if thread is not threading.main_thread() and (not thread.daemon or thread.name.startswith(LEFT_BEHIND))
    ]
