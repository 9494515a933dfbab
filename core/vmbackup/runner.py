"""A process of its own that runs commands, one at a time; a program for itself, of the standard library alone.

It is started before anything else is open. A process that starts another while a file is open on a storage that hangs
may wait for that storage: the new process closes what it inherits, and closing flushes (linux: nfs_file_flush).

A line on standard input is a request, a line on standard output the answer to it. The end of standard input ends the
command that is under way, and this process. Signals that a whole service or terminal gets do not: after a command that
has made something stop, another one has to let it go on.
"""

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

STOP = b"stop\n"
OUTPUT = 4000
PIECE = 1 << 16
# What cannot be killed waits in the kernel, and nobody waits for it.
LAST_SECONDS = 5.0


def main() -> None:
    """Answer requests until there are no more."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # A handler, for what is ignored would be ignored by the commands as well.
        signal.signal(number, lambda *_: None)
    while line := sys.stdin.buffer.readline():
        if line != STOP:
            request = json.loads(line)
            answer = _run(request["words"], request["input"], request["seconds"])
            sys.stdout.write(json.dumps({"number": request["number"], **answer}) + "\n")
            sys.stdout.flush()


def _run(words: list[str], given: str, seconds: float) -> dict[str, object]:
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    try:
        with os.fdopen(os.memfd_create("facts"), "w+b") as facts:
            facts.write(given.encode())
            facts.seek(0)
            process = subprocess.Popen(  # noqa: S603 - the administrator's own command, given as words, never to a shell
                words, stdin=facts, stdout=writer, stderr=writer, start_new_session=True
            )
    except (OSError, ValueError) as error:
        os.close(reader)
        return {"problem": f"could not be started: {getattr(error, 'strerror', None) or error}"}
    finally:
        os.close(writer)
    try:
        return _Command(process, reader).watched(seconds)
    finally:
        os.close(reader)


class _Command:
    """A command that runs, and the last of what it has said."""

    def __init__(self, process: subprocess.Popen[bytes], reader: int) -> None:
        self._process = process
        self._reader = reader
        self._said = b""

    def watched(self, seconds: float) -> dict[str, object]:
        """Wait until it ends or has to, and say what came of it."""
        problem = self._until_it_ends(seconds)
        if problem:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        try:
            code = self._process.wait(LAST_SECONDS)
        except subprocess.TimeoutExpired:
            problem += ", which it has survived"
        else:
            while self._hear():
                pass
            if not problem and code:
                problem = f"ended with code {code}" if code > 0 else f"was killed by signal {-code}"
        return {"problem": problem, "output": self._said.decode(errors="replace")}

    def _until_it_ends(self, seconds: float) -> str:
        """Return why it has to be ended, or nothing when it has."""
        deadline, asking = time.monotonic() + seconds, sys.stdin.buffer.fileno()
        with _ended(self._process) as ended, selectors.DefaultSelector() as selector:
            for descriptor in (self._reader, ended, asking):
                selector.register(descriptor, selectors.EVENT_READ)
            while True:
                ready = {key.fd for key, _ in selector.select(max(0.0, deadline - time.monotonic()))}
                if self._reader in ready and not self._hear():
                    selector.unregister(self._reader)
                if ended in ready:
                    return ""
                if asking in ready and sys.stdin.buffer.readline() in {STOP, b""}:
                    return "was stopped"
                if time.monotonic() >= deadline:
                    return f"had not ended after {seconds:g} s, and was killed"

    def _hear(self) -> bool:
        """Take what has been said by now. False at the end, and where a process that was left behind may yet speak."""
        try:
            piece = os.read(self._reader, PIECE)
        except BlockingIOError:
            return False
        self._said = (self._said + piece)[-OUTPUT:]
        return bool(piece)


@contextlib.contextmanager
def _ended(process: subprocess.Popen[bytes]) -> Iterator[int]:
    """Give a descriptor that is ready once the process has ended."""
    descriptor = os.pidfd_open(process.pid)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


if __name__ == "__main__":
    main()
