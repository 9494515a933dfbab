"""Forks a worker for each line that it reads, which kills itself at the instant that the line names; says how it ended.

The worker is the real command on a real folder. Its target is a plugin that counts what is done on it: pieces read and
chunks written of images, small files stored, files deleted. The first line of a death is `PHASE NUMBER MICROSECONDS`;
with the number 0 the worker lives, and the counts of its phases are told.
"""

import json
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress

from typing_extensions import Buffer

from vmbackup import Plugin, Settings, Stored, hookimpl
from vmbackup.cli import main
from vmbackup.registry import Registry
from vmbackup_targets.local import Local

counts: Counter[str] = Counter()
death = ("", 0, 0)


def happens(phase: str) -> None:
    """Count it, and die a moment later if this is the instant."""
    counts[phase] += 1
    name, number, microseconds = death
    if phase == name and counts[phase] == number:
        if microseconds % 2:
            threading.Thread(target=_die, args=(microseconds / 1e6,), daemon=True).start()
        else:
            os.kill(os.getpid(), signal.SIGKILL)


def _die(seconds: float) -> None:
    time.sleep(seconds)
    os.kill(os.getpid(), signal.SIGKILL)


class Mortal(Local):
    """A folder that tells what is done on it."""

    name = "mortal"
    _compressed = False

    def fetch(self, key: str, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        for piece in super().fetch(key, offset, length):
            if "/image" in key or "/disk-" in key:
                happens("read back" if key.endswith(".zst") else "read")
            yield piece

    def store(self, key: str, chunks: Iterable[Buffer]) -> Stored:
        if key.endswith(".zst"):
            return super().store(key, self._written(chunks))
        happens("publish")
        stored = super().store(key, chunks)
        happens("publish")
        return stored

    def _written(self, chunks: Iterable[Buffer]) -> Iterator[Buffer]:
        for chunk in chunks:
            happens("write")
            yield chunk
        happens("write")

    def delete(self, key: str) -> None:
        happens("delete")
        super().delete(key)
        happens("delete")


@hookimpl
def vmbackup_register() -> list[type[Plugin[Settings]]]:
    return [Mortal]


def serve() -> None:
    """Fork for each line; the child runs the command that the arguments of this process are."""
    Registry.installed()  # so that no child has to import the plugins
    for line in sys.stdin:
        phase, number, microseconds = line.rsplit(maxsplit=2)
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reader)
            _child(phase, int(number), int(microseconds), writer)
        os.close(writer)
        with os.fdopen(reader) as told:
            found = told.read()
        _, status = os.waitpid(child, 0)
        sys.stdout.write(json.dumps({"code": os.waitstatus_to_exitcode(status), "counts": json.loads(found or "{}")}))
        sys.stdout.write("\n")
        sys.stdout.flush()


def _child(phase: str, number: int, microseconds: int, writer: int) -> None:
    global death  # noqa: PLW0603 - the target has nowhere else to look
    death = (phase, number, microseconds)
    code = 0
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    try:
        main()
    except SystemExit as end:
        code = int(end.code or 0)
    with suppress(OSError):
        os.write(writer, json.dumps(counts).encode())
    os._exit(code)


if __name__ == "__main__":
    # The registry finds the plugin by its name: the same module, with the same counts.
    sys.modules["vmbackup_mortal"] = sys.modules["__main__"]
    serve()
