"""Another program that does a mirror's work: watched while it runs, and never left running."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from vmbackup import ConfigError

_LOOK_SECONDS = 1.0
_TERM_SECONDS = 10.0
_SAID_BYTES = 16 << 10
# Has the kernel send SIGTERM when the thread that began it dies (prctl(2), PR_SET_PDEATHSIG), and becomes the program.
_MORTAL = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGTERM)
if os.getppid() == int(sys.argv[1]):
    os.execvp(sys.argv[2], sys.argv[2:])
"""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended: its exit code, what it wrote, and the last of what it complained of."""

    code: int
    out: str
    said: str


def find(program: str, advice: str) -> str:
    """Return the path of a program. Raises ConfigError, with the advice, where there is none."""
    path = shutil.which(program)
    if path is None:
        raise ConfigError(f"the program {program} is not installed", advice=advice)
    return path


class Program:
    """A program that has begun, in a session of its own, so that it can ask nobody for a password.

    It ends with the `with`, and with this process, however that ends: a thread that is left behind is not waited for.
    """

    def __init__(self, words: Sequence[str], environment: Mapping[str, str], *, fed: bool = False) -> None:
        """`environment` goes over our own; `fed` says that it reads what `feed` gives it."""
        # Files, not pipes: nobody need read them while it runs.
        self._out = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the `with` of this object
        self._err = tempfile.TemporaryFile()  # noqa: SIM115 - as well
        self._process = subprocess.Popen(  # noqa: S603 - checked words, no shell
            [sys.executable, "-ISc", _MORTAL, str(os.getpid()), *words],
            stdin=subprocess.PIPE if fed else subprocess.DEVNULL,
            stdout=self._out,
            stderr=self._err,
            env={**os.environ, "LC_ALL": "C", **environment},
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        """It runs already."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        """End it."""
        try:
            if self._process.poll() is None:
                # It may have something of its own to put away.
                self._signal(signal.SIGTERM)
                with suppress(subprocess.TimeoutExpired):
                    self._process.wait(_TERM_SECONDS)
        finally:
            self._kill()
            if self._process.stdin:
                with suppress(BrokenPipeError):
                    self._process.stdin.close()
            self._out.close()
            self._err.close()

    def feed(self, chunks: Iterable[bytes]) -> None:
        """Give it what it reads. That it reads no more is no error here: it ends, and says why."""
        pipe = self._process.stdin
        if pipe is None:
            raise RuntimeError("a program that is fed is begun so")
        try:
            for chunk in chunks:
                pipe.write(chunk)
            pipe.close()
        except BrokenPipeError:
            return

    def wait(self, moved: Callable[[], None]) -> Ended:
        """Wait for its end; `moved` is told as long as the program reads and writes, also what is no progress."""
        last = -1
        while True:
            try:
                code = self._process.wait(_LOOK_SECONDS)
            except subprocess.TimeoutExpired:
                now = _transferred(self._process.pid)
                if now != last:
                    moved()
                last = now
            else:
                return Ended(code, self._written(), self._said())

    def _written(self) -> str:
        self._out.seek(0)
        return self._out.read().decode(errors="replace")

    def _said(self) -> str:
        size = self._err.seek(0, os.SEEK_END)
        self._err.seek(max(0, size - _SAID_BYTES))
        return self._err.read().decode(errors="replace").strip()

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    def _kill(self) -> None:
        if self._process.poll() is None:
            self._signal(signal.SIGKILL)
            self._process.wait()


def _transferred(pid: int) -> int:
    """Return how many bytes a process has read and written, of files and connections (proc(5), /proc/PID/io)."""
    try:
        lines = Path(f"/proc/{pid}/io").read_text(encoding="ascii").splitlines()
    except OSError:
        return -1
    return sum(int(line.split()[1]) for line in lines if line.startswith(("rchar", "wchar")))
