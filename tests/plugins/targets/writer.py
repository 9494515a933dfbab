"""A process that stores one file and is killed at the instant that its arguments name; run by test_partial.py."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

from vmbackup_targets.local import Local, LocalSettings

CHUNK = b"x" * 100_000


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def chunks(instant: str) -> Iterator[bytes]:
    for number in range(5):
        if instant == f"chunk {number}":
            die()
        yield CHUNK
    if instant == "end":
        die()
    if instant == "wait":
        sys.stdout.write("waiting\n")
        sys.stdout.flush()
        sys.stdin.read()


def main() -> None:
    root, key, instant = sys.argv[1:]
    # The interpreter itself tells of these calls, just before it makes them: os.mkdir, os.link, os.remove.
    sys.addaudithook(lambda event, _: die() if event == instant else None)
    with Local("disk", LocalSettings(path=Path(root))) as target:
        target.store(key, chunks(instant))


main()
