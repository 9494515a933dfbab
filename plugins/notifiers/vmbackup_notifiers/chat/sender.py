"""The process that sends messages: begun with the first, ended where one hangs, and with whoever holds this object.

It is one for all, for apprise takes half a second to begin, and a hundred messages may have been kept.
"""

import json
import os
import select
import subprocess
import sys
import time
import weakref
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

_PROGRAM: Final = Path(__file__).with_name("messenger.py")
_ANSWER_BYTES: Final = 1 << 16


class Sender:
    """Sends one message after the other."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """`environment` goes over our own."""
        self._environment = dict(environment)
        self._process: subprocess.Popen[bytes] | None = None

    def send(self, message: Mapping[str, str], seconds: float) -> dict[str, object]:
        """Have a message sent, and return the answer.

        Raises TimeoutError where none comes in time, and EOFError where the process ends instead.
        """
        process = self._process or self._begun()
        try:
            _write(process, json.dumps(message).encode() + b"\n")
            answer = json.loads(_line(process, time.monotonic() + seconds))
        except BaseException:
            self._process = None
            _end(process)
            raise
        return answer if isinstance(answer, dict) else {"sent": False, "why": ""}

    def _begun(self) -> subprocess.Popen[bytes]:
        self._process = process = subprocess.Popen(  # noqa: S603 - our own program, and no secret among its words
            [sys.executable, "-P", str(_PROGRAM)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **self._environment},
            # Not by the signals that a terminal sends to us: what was begun is told, or kept.
            start_new_session=True,
        )
        weakref.finalize(self, _end, process)
        return process


def _write(process: subprocess.Popen[bytes], data: bytes) -> None:
    try:
        if process.stdin:
            process.stdin.write(data)
            process.stdin.flush()
    except BrokenPipeError:
        raise EOFError from None


def _line(process: subprocess.Popen[bytes], deadline: float) -> bytes:
    said = b""
    while process.stdout and not said.endswith(b"\n"):
        if not select.select([process.stdout], [], [], max(0.0, deadline - time.monotonic()))[0]:
            raise TimeoutError
        piece = os.read(process.stdout.fileno(), _ANSWER_BYTES)
        if not piece:
            raise EOFError
        said += piece
    return said


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process: between two messages it has nothing to lose."""
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        # What it was not told any more cannot be flushed.
        with suppress(OSError):
            if pipe:
                pipe.close()
