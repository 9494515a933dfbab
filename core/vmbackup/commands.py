"""Commands of the site's own, run by a process that was started before anything was open."""

import json
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vmbackup import runner
from vmbackup.errors import HookFailed, Interrupted

# What a command is given of the environment: where programs are, whose home it is, and how things are written. Secrets
# may stand in any other variable.
KEPT = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "SSH_AUTH_SOCK", "XDG_RUNTIME_DIR")
# How much later than the command's own time the answer may come.
GRACE_SECONDS = 30.0
WAIT_SECONDS = 1.0
PIECE = 1 << 16


class Commands:
    """Runs one command after the other, each with a time limit, none through a shell."""

    def __init__(self) -> None:
        """Start the process that runs them; where it starts, in `/`, and with what umask, is where they do."""
        self._process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-I", "-S", str(Path(runner.__file__).absolute())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            cwd="/",
            env=_environment(),
            start_new_session=True,
        )
        self._number = 0
        self._answered = b""
        self.interrupted: Interrupted | None = None

    def run(self, words: Sequence[str], given: str, seconds: float, *, to_its_end: bool = False) -> None:
        """Run a command with `given` on its standard input. Raises HookFailed, with the last of what it said.

        An interruption stops it, unless it has to come to its end: then `interrupted` keeps the interruption.
        """
        self._number += 1
        request = {"number": self._number, "words": list(words), "input": given, "seconds": seconds}
        until, sent = time.monotonic() + seconds + GRACE_SECONDS, False
        while True:
            try:
                if not sent:
                    self._send(json.dumps(request).encode() + b"\n")
                    sent = True
                answer = self._answer(until)
                break
            except Interrupted as stop:
                if not to_its_end:
                    self._send(runner.STOP)
                    raise
                self.interrupted = stop
        if problem := answer.get("problem"):
            raise HookFailed(": ".join(filter(None, (problem, answer.get("output", "").strip()))))

    def close(self) -> None:
        """End the process, and with it what it may still run."""
        with self._process:
            pass

    def _send(self, line: bytes) -> None:
        assert self._process.stdin is not None  # noqa: S101 - it was asked for
        left = memoryview(line)
        try:
            while left:
                left = left[self._process.stdin.write(left) :]
        except OSError as error:
            raise HookFailed(f"the process that runs commands is gone: {error.strerror}") from None

    def _answer(self, until: float) -> dict[str, Any]:
        assert self._process.stdout is not None  # noqa: S101 - it was asked for
        descriptor = self._process.stdout.fileno()
        with selectors.DefaultSelector() as selector:
            selector.register(descriptor, selectors.EVENT_READ)
            while True:
                while b"\n" in self._answered:
                    line, _, self._answered = self._answered.partition(b"\n")
                    answer: dict[str, Any] = json.loads(line)
                    if answer["number"] == self._number:
                        return answer
                # A signal that arrives just before a wait is heard only after it.
                ready = selector.select(WAIT_SECONDS)
                piece = os.read(descriptor, PIECE) if ready else b""
                if (ready and not piece) or time.monotonic() > until:
                    raise HookFailed("the process that runs commands does not answer")
                self._answered += piece


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name in KEPT or name.startswith("LC_")}
    return {"PATH": os.defpath, **kept}
