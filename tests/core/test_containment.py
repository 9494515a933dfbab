"""What a stranger's code does to this process is put back, and told in its name."""

import locale
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from vmbackup.containment import LEFT_BEHIND, Contained
from vmbackup.errors import BackupError


@pytest.fixture
def contained() -> Iterator[Contained]:
    made = Contained(30)
    yield made
    made.close()


class Mute(Exception):
    """Cannot be told."""

    def __str__(self) -> NoReturn:
        raise SystemExit(3)

    __repr__ = __str__


def raiser(error: BaseException) -> Callable[[], None]:
    def call() -> None:
        raise error

    return call


def test_a_value_comes_back(contained: Contained) -> None:
    ended = contained.call("x", lambda: 7)
    assert (ended.value, ended.said) == (7, ())


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (ValueError("no"), "ValueError", "ValueError: no"),
        (BackupError("full", advice="Make room."), "BackupError", "full"),
        (SystemExit(3), "SystemExit", "SystemExit: 3"),
        (KeyboardInterrupt(), "KeyboardInterrupt", "KeyboardInterrupt: "),
        (GeneratorExit(), "GeneratorExit", "GeneratorExit: "),
        (Mute(), "Exception", "it has raised something that cannot be told in words"),
        (BackupError(b"bytes"), "BackupError", "b'bytes'"),  # type: ignore[arg-type]
        (ValueError("\udcff" * 3), "ValueError", "ValueError: \\udcff\\udcff\\udcff"),
        (ValueError("x" * 9000), "ValueError", f"ValueError: {'x' * 3988}"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_whatever_it_raises_is_told_in_words(contained: Contained, error: BaseException, code: str, words: str) -> None:
    ended = contained.call("reporter x", raiser(error))
    assert ended.failure is not None
    assert (ended.failure.step, ended.failure.code, ended.failure.message) == ("reporter x", code, words)
    assert contained.call("next", lambda: 7).value == 7


def test_signal_handlers_cannot_be_set(contained: Contained) -> None:
    before = signal.getsignal(signal.SIGTERM)
    ended = contained.call("x", lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN))
    assert ended.failure is not None
    assert ended.failure.code == "ValueError"
    assert signal.getsignal(signal.SIGTERM) is before


def seen() -> tuple[object, ...]:
    """All that a stranger may change."""
    umask = os.umask(0o022)
    os.umask(umask)
    standard = tuple((status.st_dev, status.st_ino) for status in map(os.fstat, range(3)))
    return (
        Path.cwd(),
        umask,
        standard,
        (sys.stdin, sys.stdout, sys.stderr),
        dict(os.environ),
        locale.setlocale(locale.LC_ALL),
    )


def _set_locale() -> None:
    locale.setlocale(locale.LC_ALL, "C.UTF-8" if locale.setlocale(locale.LC_ALL) == "C" else "C")


def _change_environment() -> None:
    os.environ["PATH"] = "/nowhere"
    os.environ["CANARY"] = "a secret"
    del os.environ["HOME"]


def _close_stdout() -> None:
    sys.stdout.close()


def _replace_files() -> None:
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 1)
    os.close(2)
    os.close(null)


MISDEEDS: dict[str, tuple[Callable[[], object], str]] = {
    "cwd": (lambda: os.chdir("/proc"), "it has changed the working directory"),
    "umask": (lambda: os.umask(0) and None, "it has set the umask to 000"),
    "files": (_replace_files, "it has closed or replaced file 1; it has closed or replaced file 2"),
    "sys.stdout": (lambda: setattr(sys, "stdout", sys.stderr), "it has replaced sys.stdout"),
    "sys.stderr": (lambda: setattr(sys, "stderr", None), "it has replaced sys.stderr"),
    "print": (lambda: print("hello"), "it has printed to standard output: 'hello\\n'"),
    "buffer": (lambda: sys.stdout.buffer.write(b"\xffx") and None, "it has printed to standard output: '\ufffdx'"),
    "close stdout": (_close_stdout, ""),
    "environ": (_change_environment, "it has changed the environment: CANARY, HOME, PATH"),
    "locale": (_set_locale, "it has changed the locale"),
}


@pytest.mark.parametrize("name", MISDEEDS)
def test_what_it_changes_of_this_process_is_put_back(
    contained: Contained, name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/root")
    misdeed, words = MISDEEDS[name]
    before, opened = seen(), sorted(Path("/proc/self/fd").iterdir())
    ended = contained.call("x", misdeed)
    assert seen() == before
    assert sorted(Path("/proc/self/fd").iterdir()) == opened
    assert ended.failure is None
    assert {change.step for change in ended.changes} <= {"x"}
    assert "; ".join(change.message for change in ended.changes) == words


def test_a_folder_that_is_gone_can_be_come_back_to(
    contained: Contained, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    ended = contained.call("x", lambda: os.chdir("/"))
    assert [change.message for change in ended.changes] == ["it has changed the working directory"]
    with pytest.raises(FileNotFoundError):
        os.getcwd()  # noqa: PTH109 - the folder that is gone
    os.chdir(tmp_path)


@pytest.mark.timeout(0)
@pytest.mark.parametrize(("seconds", "then"), [(0, 1000), (1000, 0), (1000, 10), (1000, 2000)])
def test_an_alarm_stays_as_it_is(contained: Contained, seconds: int, then: int) -> None:
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        ended = contained.call("x", lambda: signal.alarm(then) and None)
        assert seconds - 100 < signal.getitimer(signal.ITIMER_REAL)[0] <= seconds
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    assert [change.message for change in ended.changes] == ["it has changed when the alarm is due"]


CLOSES = """
import os
import sys
from vmbackup.containment import Contained
def misdeed():
    for stream in (sys.stdin, sys.__stdout__, sys.stderr):
        stream.close()
    os.closerange(0, 3)
ended = Contained(30).call("x", misdeed)
print("still here")
sys.stderr.write("and here\\n")
print(*sorted(change.message for change in ended.changes), sep=", ")
"""


def test_standard_streams_that_were_closed_are_opened_again() -> None:
    done = subprocess.run(
        [sys.executable, "-c", CLOSES], input="", check=True, capture_output=True, text=True, timeout=60
    )
    assert done.stderr == "and here\n"
    files = [f"it has closed or replaced file {number}" for number in range(3)]
    streams = [f"it has closed sys.{name}" for name in ("stderr", "stdin", "stdout")]
    assert done.stdout == f"still here\n{', '.join([*files, *streams])}\n"


def test_what_hangs_is_left_behind_with_its_thread() -> None:
    contained, over = Contained(0.2), threading.Event()
    started = time.monotonic()
    ended = contained.call("notifier x", lambda: over.wait(60))
    assert time.monotonic() - started < 30
    assert ended.hangs
    assert ended.failure is not None
    assert ended.failure.message == "it has not returned for 0.2 s, and was left behind"
    assert f"{LEFT_BEHIND}: notifier x" in [thread.name for thread in threading.enumerate()]
    assert contained.call("next", lambda: 7).value == 7
    over.set()
    contained.close()
