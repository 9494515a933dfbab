"""Shows a run to who attaches to it, over a Unix socket in the state folder; the run itself never waits for that.

Each who attaches is sent whole pictures, one a line, as JSON. Who does not take one is sent no other until he has, so
that he gets fewer of them, and nothing piles up here. Where there can be no socket the run cannot be watched, and is
none the worse.
"""

import contextlib
import select
import socket
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path

from vmbackup.live.picture import PICTURE, Picture
from vmbackup.live.place import ENDED, address, folder_in
from vmbackup.results import Report, Run
from vmbackup.state import write_flushed
from vmbackup.watch import Nobody

# Seconds between two pictures, and for the last one to be taken.
PAUSE = 0.5
LAST_SECONDS = 0.5
MOST = 16


class Broadcast(Nobody):
    """The thread that serves one run, from its begin, when it holds the lock of its job, to its end."""

    def __init__(self, state: Path, picture: Callable[[], Picture | None]) -> None:
        """`picture` is asked from a thread of its own, and only while somebody watches."""
        self._folder = folder_in(state)
        self._picture = picture
        self._job = ""
        self._guests: list[_Guest] = []
        self._wake: socket.socket | None = None
        self._thread: threading.Thread | None = None

    def began(self, run: Run) -> None:
        """Open the socket; what a run that was killed has left there goes."""
        self._job = run.job
        with contextlib.suppress(OSError, RuntimeError):
            self._folder.mkdir(mode=0o700, exist_ok=True)
            with address(self._folder, run.job) as path:
                Path(path).unlink(missing_ok=True)
                listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
                try:
                    listener.bind(path)
                    Path(path).chmod(0o600)
                    listener.listen(MOST)
                except OSError:
                    listener.close()
                    raise
            wake, woken = socket.socketpair()
            thread = threading.Thread(
                target=self._serve, args=(listener, woken), name="vmbackup-broadcast", daemon=True
            )
            thread.start()
            self._wake, self._thread = wake, thread

    def finished(self, report: Report) -> None:
        """Keep how it ended, and send that to all; who does not take it at once can read it there."""
        del report
        picture = self._picture()
        if picture is not None:
            with contextlib.suppress(OSError):
                self._keep(picture)
        if self._wake is None or self._thread is None:
            return
        self._wake.close()
        self._thread.join(2 * LAST_SECONDS)
        with contextlib.suppress(OSError), address(self._folder, self._job) as path:
            Path(path).unlink(missing_ok=True)

    def _keep(self, picture: Picture) -> None:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        fresh = self._folder / f"{uuid.uuid4().hex}.new"
        try:
            write_flushed(fresh, PICTURE.dump_json(picture))
            fresh.replace(self._folder / f"{self._job}{ENDED}")
        finally:
            fresh.unlink(missing_ok=True)

    def _serve(self, listener: socket.socket, woken: socket.socket) -> None:
        with listener, woken:
            while True:
                pause = PAUSE if self._guests else None
                ready, _, _ = select.select([listener, woken], [], [], pause)
                if listener in ready:
                    self._welcome(listener)
                if woken in ready:
                    break
                self._send()
            last = time.monotonic() + LAST_SECONDS
            self._send()
            while (late := [guest for guest in self._guests if guest.pending]) and time.monotonic() < last:
                select.select([], [guest.line for guest in late], [], LAST_SECONDS)
                for guest in late:
                    guest.flush()
                if not any(guest.pending for guest in late):
                    self._send()
            for guest in self._guests:
                guest.line.close()

    def _welcome(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            line, _ = listener.accept()
            line.settimeout(0)
            if len(self._guests) < MOST:
                self._guests.append(_Guest(line))
            else:
                line.close()

    def _send(self) -> None:
        """Send the picture of now to all who have taken the last one."""
        if not self._guests or (picture := self._picture()) is None:
            return
        data = PICTURE.dump_json(picture) + b"\n"
        for guest in self._guests:
            guest.offer(data, last=picture.ended is not None)
        self._guests = [guest for guest in self._guests if not guest.gone]


class _Guest:
    """Somebody who watches."""

    def __init__(self, line: socket.socket) -> None:
        self.line = line
        self.pending = memoryview(b"")
        self.gone = False
        self._has_all = False

    def offer(self, data: bytes, *, last: bool) -> None:
        """Send a picture, or go on with the one before it."""
        self.flush()
        if not self.pending and not self._has_all:
            self.pending, self._has_all = memoryview(data), last
            self.flush()

    def flush(self) -> None:
        try:
            while self.pending:
                self.pending = self.pending[self.line.send(self.pending) :]
        except BlockingIOError:
            return
        except OSError:
            self.gone, self.pending = True, memoryview(b"")
            self.line.close()
