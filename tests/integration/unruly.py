"""A plugin of a stranger's that misbehaves: `$UNRULY` says how, `$UNRULY_AT` where."""

import locale
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NoReturn

from vmbackup import Buffer, Compressor, Notifier, Plugin, Report, Reporter, Settings, hookimpl

NAME, PLACE = os.environ.get("UNRULY", ""), os.environ.get("UNRULY_AT", "")


class Mute(Exception):
    """Raises when it is asked what it is."""

    def __str__(self) -> NoReturn:
        raise self

    __repr__ = __str__


class Odd(BaseException):
    """A kind of its own."""


def _raise(error: type[BaseException]) -> None:
    raise error


def _hang() -> None:
    while True:
        time.sleep(60)


def _hang_and_go_on() -> None:
    """Hang, and go on to do harm later, while others are at work."""
    time.sleep(2)
    gone = Path(os.environ["UNRULY_FOLDER"])
    while True:
        gone.mkdir(exist_ok=True)
        os.chdir(gone)
        os.umask(0)
        os.environ.pop("HOME", None)
        print("late")
        os.write(1, b"later\n")
        shutil.rmtree(gone)


def _close_files() -> None:
    os.close(1)
    os.close(2)


def _open_in_their_place() -> None:
    os.closerange(0, 3)
    for _ in range(3):
        os.open(os.devnull, os.O_RDWR)


def _close_streams() -> None:
    for stream in (sys.stdin, sys.__stdout__, sys.stdout, sys.stderr, sys.__stderr__):
        if stream is not None:
            stream.close()


def _print() -> None:
    print("this is no JSON")
    os.write(1, b"nor is this\n")
    subprocess.run(["echo", "nor this"], check=True)


def _chatter() -> None:
    while True:
        print("I am still here")
        time.sleep(0.01)


def _threads() -> None:

    for daemon in (True, False):
        threading.Thread(target=_chatter, daemon=daemon).start()


def _write_far() -> None:
    """Write to a storage that falls silent before all is there."""
    folder = Path(os.environ["UNRULY_FOLDER"])
    with (folder / "report").open("wb") as file:
        file.write(b"x" * (1 << 20))
        file.flush()
        Path(os.environ["UNRULY_SIGN"]).touch()
        while not Path(os.environ["UNRULY_SIGN"] + ".seen").exists():
            time.sleep(0.05)
        os.fsync(file.fileno())


def _environ() -> None:
    os.environ.clear()
    os.environ["PATH"] = "/nowhere"


MISDEEDS: dict[str, Callable[[], Any]] = {
    "ValueError": lambda: _raise(ValueError),
    "SystemExit": lambda: sys.exit(7),
    "KeyboardInterrupt": lambda: _raise(KeyboardInterrupt),
    "GeneratorExit": lambda: _raise(GeneratorExit),
    "a kind of its own": lambda: _raise(Odd),
    "unspeakable": lambda: _raise(Mute),
    "rubbish": lambda: random.choice([object(), "text", 7]),
    "hangs": _hang,
    "hangs and goes on": _hang_and_go_on,
    "writes far": _write_far,
    "chdir": lambda: os.chdir("/proc"),
    "umask": lambda: os.umask(0) and None,
    "signal": lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN),
    "kill": lambda: os.kill(os.getpid(), signal.SIGTERM),
    "alarm": lambda: signal.alarm(1) and None,
    "print": _print,
    "close files": _close_files,
    "open in their place": _open_in_their_place,
    "close streams": _close_streams,
    "replace streams": lambda: setattr(sys, "stdout", None),
    "threads": _threads,
    "locale": lambda: locale.setlocale(locale.LC_ALL, "C.UTF-8") and None,
    "environ": _environ,
}


def misbehave(place: str) -> Any:
    return MISDEEDS[NAME]() if place == PLACE else None


@hookimpl
def vmbackup_vm_started() -> Any:
    return misbehave("listener")


class Unruly(Reporter[Settings]):
    """Writes nothing."""

    name = "unruly"

    def __init__(self, label: str, settings: Settings) -> None:
        misbehave("constructor")
        super().__init__(label, settings)

    def write(self, report: Report) -> None:
        del report
        return misbehave("reporter")  # type: ignore[no-any-return]


class UnrulyNotifier(Notifier[Settings]):
    """Tells nobody."""

    name = "unruly"

    def notify(self, report: Report) -> None:
        del report
        return misbehave("notifier")  # type: ignore[no-any-return]


class Ends(Compressor[Settings]):
    """Wants the process to end as if all were good."""

    name = "ends"
    suffix = ".end"
    unpack = "cat"

    def compress(self, chunks: Iterable[Buffer]) -> Iterator[Buffer]:
        yield from chunks
        if PLACE == "compress":
            sys.exit(0)

    def decompress(self, chunks: Iterable[Buffer]) -> Iterator[Buffer]:
        yield from chunks
        if PLACE == "decompress":
            sys.exit(0)


@hookimpl
def vmbackup_register() -> list[type[Plugin[Settings]]]:
    misbehave("register")
    return [Unruly, UnrulyNotifier, Ends]


misbehave("import")
