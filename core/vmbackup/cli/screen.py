"""Lines at the bottom of a terminal that are drawn again and again, below whatever is printed meanwhile."""

import contextlib
import os
import sys
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.file_proxy import FileProxy
from rich.live import Live
from rich.text import Text

PAUSE = 0.25
# A terminal that has been stopped takes nothing; nobody waits for it longer than so many seconds.
LAST_SECONDS = 5.0

Draw = Callable[[int, int], list[Text]]


class Screen:
    """Draws from a thread of its own, so that a terminal that takes nothing holds up nobody."""

    def __init__(self, console: Console, draw: Draw) -> None:
        """`console` is standard output, a terminal; `draw` is asked for lines that fit so many columns and rows."""
        self._console = console
        self._draw = draw
        self._said: SimpleQueue[str] = SimpleQueue()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="vmbackup-screen", daemon=True)
        self._others = contextlib.ExitStack()

    def __enter__(self) -> Self:
        """Begin to draw; what anybody prints from now on goes above the lines."""
        # Its own way to the terminal, for others may put something else in the place of standard output meanwhile. A
        # sign that the terminal's encoding does not have must not end the drawing.
        own = os.fdopen(os.dup(1), "w", encoding=self._console.encoding, errors="replace")
        self._console.file = self._others.enter_context(own)
        self._others.enter_context(contextlib.redirect_stdout(FileProxy(self._console, sys.stdout)))
        if sys.stderr.isatty():
            self._others.enter_context(contextlib.redirect_stderr(FileProxy(self._console, sys.stderr)))
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        """Take the lines away; what was said stays."""
        self.close()

    def say(self, markup: str) -> None:
        """Print something above the lines."""
        self._said.put(markup)

    def close(self) -> None:
        """Take the lines away, if that is not done yet."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join(LAST_SECONDS)
        with contextlib.suppress(OSError):
            self._others.close()

    def _run(self) -> None:
        # A terminal that has gone is nothing to end a run for; whoever hung up has sent a signal for that.
        with contextlib.suppress(OSError, ValueError):
            size = self._console.size
            while not self._over.is_set():
                with self._live() as live:
                    while size == self._console.size and not self._over.is_set():
                        self._print_said()
                        live.update(Group(*self._draw(size.width, size.height), Text("")), refresh=True)
                        self._over.wait(PAUSE)
                if size != self._console.size:
                    # Nobody knows where the old lines have gone: some terminals fold them, others cut them.
                    size = self._console.size
                    self._console.clear()
            self._print_said()

    def _live(self) -> Live:
        live = Live(
            console=self._console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
            vertical_overflow="crop",
        )
        live.start()
        # The cursor stays as it is, so that the terminal is clean even where the process is killed.
        self._console.show_cursor(True)
        return live

    def _print_said(self) -> None:
        with contextlib.suppress(Empty):
            while True:
                self._console.print(self._said.get_nowait(), soft_wrap=True)
