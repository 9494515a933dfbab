"""Promises about memory, measured from outside: a process that packs and unpacks, and says what it has had at most."""

import json
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from vmbackup.conformance.content import MIB, noise
from vmbackup.conformance.holding import require
from vmbackup.contracts import Compressor
from vmbackup.errors import ImageError
from vmbackup.plugin_files import files_of, load_file
from vmbackup.settings import Settings

FIRST, THEN, BOMB = 192, 512, 1024
# More than that nobody needs to unpack a stream, however it came to be.
HOSTILE = 384 * MIB
# Allocators keep what several threads give back, each its own.
ALLOWED = 128 * MIB


def needs_no_more_for_more(compressor: Compressor[Settings]) -> None:
    """The memory needed to pack and to unpack does not grow with the image."""
    first, then = _elsewhere(compressor, "images")
    require(
        then - first <= ALLOWED,
        f"after {FIRST} MiB, {THEN} MiB took {(then - first) // MIB} MiB of memory more; {ALLOWED // MIB} are allowed",
    )


def takes_little_for_a_bomb(compressor: Compressor[Settings]) -> None:
    """The memory needed to unpack does not grow with what comes out of one chunk."""
    begun, peak = _elsewhere(compressor, "bomb")
    require(
        peak - begun <= HOSTILE,
        f"unpacking {BOMB} MiB of zeros from one chunk took {(peak - begun) // MIB} MiB of memory;"
        f" {HOSTILE // MIB} are allowed",
    )


def refuses_hostile(compressor: Compressor[Settings], stream: bytes) -> None:
    """A stream that is made to take the memory of who unpacks it is an ImageError, and takes little."""
    begun, peak, refused = _elsewhere(compressor, "hostile", stream)
    require(bool(refused), f"a hostile stream of {len(stream):,} bytes was unpacked; ImageError is due")
    require(
        peak - begun <= HOSTILE,
        f"a hostile stream of {len(stream):,} bytes took {(peak - begun) // MIB} MiB of memory;"
        f" {HOSTILE // MIB} are allowed",
    )


def _elsewhere(compressor: Compressor[Settings], task: str, stream: bytes = b"") -> list[int]:
    """Run a task in a process of its own, for the peak of a process never falls; return what it says."""
    # pickle, for settings may hold secrets that no other form keeps; it goes from us to a process of ours.
    words = pickle.dumps((type(compressor), compressor.label, compressor.settings, task, stream))
    done = subprocess.run(  # noqa: S603 - our own words
        [sys.executable, "-c", f"import {__name__} as it; it.measure()"],
        input=pickle.dumps((sys.path, files_of(type(compressor)))) + words,
        check=False,
        capture_output=True,
        timeout=300,
    )
    said = done.stderr.decode(errors="replace").strip().splitlines()
    require(done.returncode == 0, f"a process that packs ended with {done.returncode}: {said[-1] if said else ''}")
    figures: list[int] = json.loads(done.stdout)
    return figures


def measure() -> None:
    """Be the process that does a task; which one is read from standard input, the figures go to standard output."""
    sys.path[:], files = pickle.load(sys.stdin.buffer)  # noqa: S301 - from our own parent
    for file in files:
        load_file(file)
    kind, label, settings, task, stream = pickle.load(sys.stdin.buffer)  # noqa: S301 - from our own parent
    sys.stdout.write(json.dumps(TASKS[task](kind(label, settings), stream)))


def _images(compressor: Compressor[Settings], _: bytes) -> list[int]:
    peaks = []
    for count in (FIRST, THEN):
        _drain(compressor.decompress(compressor.compress(_image(count))))
        peaks.append(_peak())
    return peaks


def _bomb(compressor: Compressor[Settings], _: bytes) -> list[int]:
    bomb = b"".join(compressor.compress(bytes(MIB) for _ in range(BOMB)))
    begun = _peak()
    _drain(compressor.decompress([bomb]))
    return [begun, _peak()]


def _hostile(compressor: Compressor[Settings], stream: bytes) -> list[int]:
    begun, refused = _peak(), False
    try:
        _drain(compressor.decompress([stream]))
    except ImageError:
        refused = True
    return [begun, _peak(), refused]


TASKS = {"images": _images, "bomb": _bomb, "hostile": _hostile}


def _drain(chunks: Iterator[object]) -> None:
    for _ in chunks:
        pass


def _image(count: int) -> Iterator[bytes]:
    """Yield so many MiB of noise, which is as large packed as it is unpacked."""
    # It comes again later than the windows of most formats reach, for new noise takes longer than packing it.
    whole = noise(64 * MIB)
    for number in range(count):
        start = number % 64 * MIB
        yield whole[start : start + MIB]


def _peak() -> int:
    """Return the most memory that this process has had, in bytes; what `getrusage` says has the parent's in it."""
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) << 10
