"""What of this process any code in it can change, kept while a stranger's runs, and put back afterwards.

Signal handlers are not among it: a stranger's code runs on a thread of its own, and only the main thread can set them.
"""

import io
import locale
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from typing_extensions import Buffer

STREAMS = ("stdin", "stdout", "stderr")
SHOWN = 200
# How much two looks at one alarm may differ; one of ours ends a cleanup that takes too long.
ALARM_SECONDS = 0.5


@contextmanager
def kept(changes: list[str], thread: threading.Thread) -> Iterator[None]:
    """Keep this process as it is, and add to `changes` what had to be put back, in words that follow "it has".

    What is printed to standard output meanwhile goes to standard error, and counts if it is `thread` that prints.
    """
    before = _Before(thread)
    try:
        yield
    finally:
        changes += before.put_back()


class _Before:
    def __init__(self, thread: threading.Thread) -> None:
        self._umask = os.umask(0o077)
        os.umask(self._umask)
        self._environment = dict(os.environ)
        self._locale = locale.setlocale(locale.LC_ALL)
        self._moment, self._alarm = time.monotonic(), signal.getitimer(signal.ITIMER_REAL)[0]
        self._streams = {name: getattr(sys, name) for name in STREAMS}
        _STRAY.begin(self._streams["stdout"], thread)
        sys.stdout = _STRAY
        self._folder: int | None = None
        with suppress(OSError):
            self._folder = _here()
        self._copies: dict[int, int] = {}
        for number in range(len(STREAMS)):
            with suppress(OSError):
                self._copies[number] = os.dup(number)

    def put_back(self) -> list[str]:
        """Put everything back as it was, and say what was not."""
        said = [
            *self._put_folder_back(),
            *self._put_files_back(),
            *self._put_streams_back(),
            *self._put_environment_back(),
            *self._put_alarm_back(),
        ]
        if (found := os.umask(self._umask)) != self._umask:
            said.append(f"set the umask to {found:03o}")
        if locale.setlocale(locale.LC_ALL) != self._locale:
            locale.setlocale(locale.LC_ALL, self._locale)
            said.append("changed the locale")
        return said

    def _put_folder_back(self) -> Iterator[str]:
        if self._folder is None:
            return
        try:
            if not _is_same(self._folder, _here()):
                yield "changed the working directory"
            os.fchdir(self._folder)
        finally:
            os.close(self._folder)

    def _put_files_back(self) -> Iterator[str]:
        for number, copy in self._copies.items():
            try:
                same = _is_same(copy, os.dup(number))
            except OSError:
                same = False
            if not same:
                os.dup2(copy, number)
                yield f"closed or replaced file {number}"
            os.close(copy)

    def _put_streams_back(self) -> Iterator[str]:
        expected = {**self._streams, "stdout": _STRAY}
        for number, (name, stream) in enumerate(self._streams.items()):
            if getattr(sys, name) is not expected[name]:
                yield f"replaced sys.{name}"
            closed = stream is not None and stream.closed
            if closed:
                yield f"closed sys.{name}"
            setattr(sys, name, _reopened(number) if closed else stream)
        if _STRAY.said:
            yield f"printed to standard output: {_STRAY.said!r}"

    def _put_environment_back(self) -> Iterator[str]:
        now = dict(os.environ)
        changed = sorted(name for name in {*now, *self._environment} if now.get(name) != self._environment.get(name))
        for name in changed:
            if name in self._environment:
                os.environ[name] = self._environment[name]
            else:
                del os.environ[name]
        if changed:
            # Their names alone: a value may be a secret.
            yield f"changed the environment: {', '.join(changed)}"

    def _put_alarm_back(self) -> Iterator[str]:
        now = signal.getitimer(signal.ITIMER_REAL)[0]
        expected = max(0.0, self._alarm - (time.monotonic() - self._moment)) if self._alarm else 0.0
        if abs(now - expected) > ALARM_SECONDS:
            signal.setitimer(signal.ITIMER_REAL, expected)
            yield "changed when the alarm is due"


def _reopened(number: int) -> io.TextIOWrapper:
    """Return a stream for a standard file that is still there."""
    return io.TextIOWrapper(
        io.FileIO(number, "w" if number else "r", closefd=False), "utf-8", "backslashreplace", write_through=True
    )


def _here() -> int:
    return os.open(".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)


def _is_same(copy: int, other: int) -> bool:
    """Whether two descriptors are of one file; closes the second."""
    try:
        return os.path.sameopenfile(copy, other)
    finally:
        os.close(other)


class _Stray(io.TextIOBase):
    """Stands for standard output: what is written goes to standard error, and the first of it is remembered.

    No TextIOWrapper, which several threads that write at once can bring down.
    """

    encoding = "utf-8"

    def __init__(self) -> None:
        self.buffer = _StrayBytes()
        self.rich_proxied_file: object = None

    def begin(self, original: object, thread: threading.Thread) -> None:
        """Begin to stand for `original`, and to remember what `thread` writes instead of what was written before."""
        self.buffer.said, self.buffer.thread = b"", thread
        # Where rich looks for what it should write to: a live display goes on while others are called.
        self.rich_proxied_file = getattr(original, "rich_proxied_file", original)

    def close(self) -> None:
        """Stay open, for the next one."""

    @property
    def said(self) -> str:
        """What was written, or the beginning of it."""
        return self.buffer.said.decode(errors="replace")

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self.buffer.fileno()

    def write(self, text: str) -> int:
        self.buffer.write(text.encode(errors="backslashreplace"))
        return len(text)


class _StrayBytes(io.RawIOBase):
    said = b""
    thread: threading.Thread | None = None

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return 2

    def write(self, data: Buffer, /) -> int:
        written = bytes(data)
        if threading.current_thread() is self.thread:
            self.said = (self.said + written)[:SHOWN]
        with suppress(OSError):
            os.write(2, written)
        return len(written)

    def close(self) -> None:
        """Stay open, for the next one."""


# One for all, and never freed: `print` on another thread does not hold what it writes to (python: bltinmodule.c).
_STRAY = _Stray()
