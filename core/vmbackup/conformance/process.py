"""What a plugin that is only told something must leave alone: the process in which all others run."""

import contextlib
import io
import locale
import logging
import os
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import FrameType

from vmbackup.conformance.holding import require

Handler = Callable[[int, FrameType | None], object] | int | None


@dataclass(slots=True)
class Heard:
    """What was written to standard output and standard error, and what was logged, while somebody listened."""

    output: bytes = b""
    error: bytes = b""
    logged: list[str] = field(default_factory=list)


class _Log(logging.Handler):
    """Keeps the words of what is logged."""

    def __init__(self, heard: Heard) -> None:
        super().__init__(logging.DEBUG)
        self._heard = heard

    def emit(self, record: logging.LogRecord) -> None:
        self._heard.logged.append(self.format(record))


@contextlib.contextmanager
def heard() -> Iterator[Heard]:
    """Hear what is said inside the `with`, also by other processes and past Python's own streams; nobody else does."""
    said, root = Heard(), logging.getLogger()
    log, level = _Log(said), root.level
    with contextlib.ExitStack() as stack:
        files = {number: stack.enter_context(tempfile.TemporaryFile()) for number in (1, 2)}
        own = (stack.enter_context(os.fdopen(os.dup(files[number].fileno()), "wb")) for number in (1, 2))
        output, error = (io.TextIOWrapper(file, "utf-8", "backslashreplace", write_through=True) for file in own)
        for number, file in files.items():
            stack.callback(_put_back, number, os.dup(number))
            os.dup2(file.fileno(), number)
        stack.enter_context(contextlib.redirect_stdout(output))
        stack.enter_context(contextlib.redirect_stderr(error))
        root.addHandler(log)
        root.setLevel(logging.DEBUG)
        stack.callback(root.setLevel, level)
        stack.callback(root.removeHandler, log)
        try:
            yield said
        finally:
            output.flush()
            error.flush()
            for number, file in files.items():
                file.seek(0)
                setattr(said, "output" if number == 1 else "error", file.read())


def _put_back(number: int, kept: int) -> None:
    os.dup2(kept, number)
    os.close(kept)


@contextlib.contextmanager
def left_alone() -> Iterator[None]:
    """Require that the process is the same after the `with` as before; put back what is not."""
    with contextlib.ExitStack() as stack:
        _put_back_later(stack)
        before = _facts()
        yield
        after = _facts()
    for what, value in before.items():
        require(after[what] == value, f"{what} is not what it was: {_difference(value, after[what])}")


def _put_back_later(stack: contextlib.ExitStack) -> None:
    """Have all that can be put back as it is now when `stack` is left."""
    root, environment = logging.getLogger(), dict(os.environ)
    stack.callback(os.chdir, os.getcwd())  # noqa: PTH109 - as os.chdir takes it
    stack.callback(os.umask, _umask())
    stack.callback(os.environ.update, environment)
    stack.callback(os.environ.clear)
    stack.callback(_handle, {number: signal.getsignal(number) for number in signal.valid_signals()})
    stack.callback(signal.pthread_sigmask, signal.SIG_SETMASK, signal.pthread_sigmask(signal.SIG_BLOCK, ()))
    stack.callback(locale.setlocale, locale.LC_ALL, locale.setlocale(locale.LC_ALL))
    stack.callback(socket.setdefaulttimeout, socket.getdefaulttimeout())
    stack.callback(root.setLevel, root.level)
    stack.callback(setattr, root, "handlers", list(root.handlers))
    for owner, name in ((sys, "stdout"), (sys, "stderr"), (sys, "excepthook"), (threading, "excepthook")):
        stack.callback(setattr, owner, name, getattr(owner, name))


def _handle(handlers: Mapping[int, Handler]) -> None:
    for number, handler in handlers.items():
        if handler is not None and signal.getsignal(number) != handler:
            signal.signal(number, handler)


def _facts() -> dict[str, object]:
    root = logging.getLogger()
    return {
        "the working folder": os.getcwd(),  # noqa: PTH109 - it is compared, not used
        "the umask": oct(_umask()),
        "the environment": dict(os.environ),
        "a signal's handler": {number: signal.getsignal(number) for number in signal.valid_signals()},
        "the set of blocked signals": signal.pthread_sigmask(signal.SIG_BLOCK, ()),
        "the locale": locale.setlocale(locale.LC_ALL),
        "the time-out of sockets": socket.getdefaulttimeout(),
        "standard output": sys.stdout,
        "standard error": sys.stderr,
        "the root logger": (root.level, list(root.handlers)),
        "the hook for what nobody catches": (sys.excepthook, threading.excepthook),
        "the set of threads that keep the process from ending": {
            thread for thread in threading.enumerate() if not thread.daemon
        },
    }


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _difference(before: object, after: object) -> str:
    if isinstance(before, dict) and isinstance(after, dict):
        keys = [key for key in {**before, **after} if before.get(key) != after.get(key)]
        return ", ".join(str(key) for key in keys)
    return f"{after!r} after {before!r}"
