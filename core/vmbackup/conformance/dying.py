"""A writer that is killed: a process that enters the same target and dies in the middle of a file."""

import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Iterator

from vmbackup.conformance.below import whole
from vmbackup.conformance.content import MIB, noise
from vmbackup.conformance.holding import require
from vmbackup.contracts import Target
from vmbackup.plugin_files import files_of, load_file
from vmbackup.settings import Settings

PIECES = 16
WRITTEN = PIECES * MIB


def write_and_die(target: Target[Settings], key: str) -> None:
    """Have another process store 16 MiB under `key` and be killed before the end."""
    same, name = whole(target, key)
    # pickle, for settings hold secrets that no other form keeps; it goes from us to a process of ours.
    message = pickle.dumps((sys.path, files_of(type(same))))
    message += pickle.dumps((type(same), same.label, same.settings, name))
    done = subprocess.run(  # noqa: S603 - our own words
        [sys.executable, "-c", f"import {__name__} as it; it.write()"],
        input=message,
        check=False,
        capture_output=True,
        timeout=120,
    )
    words = done.stderr.decode(errors="replace").strip().splitlines()
    require(
        done.returncode == -signal.SIGKILL,
        f"a process that was to write {key} did not come to it: {words[-1] if words else done.returncode}",
    )


def _source() -> Iterator[bytes]:
    for number in range(PIECES):
        yield noise(MIB, str(number))
    os.kill(os.getpid(), signal.SIGKILL)


def write() -> None:
    """Be the process that writes and dies; what to write, and where, is read from standard input."""
    sys.path[:], files = pickle.load(sys.stdin.buffer)  # noqa: S301 - from our own parent
    for file in files:
        load_file(file)
    kind, label, settings, key = pickle.load(sys.stdin.buffer)  # noqa: S301 - from our own parent
    with kind(label, settings) as target:
        target.store(key, _source())
