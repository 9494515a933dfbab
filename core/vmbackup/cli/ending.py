"""How the process ends: also where a stranger's code is still at work in it."""

import contextlib
import os
import sys
import threading
import time
import traceback
from typing import Any, NoReturn

from typer.core import TyperGroup

from vmbackup.containment import LEFT_BEHIND
from vmbackup.errors import PluginError

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


class Commands(TyperGroup):
    """The commands; one of them ends with what it returns, and not because code of a plugin's says so."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command. Raises PluginError where something in it wanted the process to end, as if all were good."""
        try:
            return super().invoke(ctx)
        except SystemExit as error:
            raise PluginError(f"a plugin wanted the process to end with {error.code!r}: {_place(error)}") from error


def _place(error: SystemExit) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{last.filename}, line {last.lineno}"


def _others() -> list[threading.Thread]:
    return [
        thread
        for thread in threading.enumerate()
        if thread is not threading.main_thread() and (not thread.daemon or thread.name.startswith(LEFT_BEHIND))
    ]
