"""Promises of every compressor: what was packed comes back, however it was cut, and by a person's own tools."""

import subprocess
import tempfile
from array import array
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from typing_extensions import Buffer

from vmbackup.conformance.content import MIB
from vmbackup.conformance.holding import require
from vmbackup.conformance.packing import content, cut, pack, require_back
from vmbackup.contracts import Compressor
from vmbackup.settings import Settings

# Sizes of which a compressor may make its blocks and buffers.
BORDERS = tuple(1 << bits for bits in (9, 12, 15, 16, 17, 18, 20, 22, 24, 25))
LONG = 33 * MIB + 4711


class _SourceFailed(BaseException):
    """As a signal that arrives in the middle of a transfer, no Exception."""


def gives_back_every_size(compressor: Compressor[Settings]) -> None:
    """What was packed comes back byte for byte, whatever its size is, and whatever the settings were.

    Who unpacks has the compressor's name and no settings.
    """
    sizes = [0, 1, 2, 3, *(border + more for border in BORDERS for more in (-1, 0, 1)), LONG]
    everything = content(max(sizes))
    for size in sizes:
        data = everything[:size]
        require_back(compressor, pack(compressor, cut(data, MIB)), data, f"an image of {size:,} bytes")


def takes_any_chunks(compressor: Compressor[Settings]) -> None:
    """Chunks may be of any size and kind, empty ones among them, on both ways."""
    for size, chunk in ((3000, 1), (200_000, 7), (5 * MIB, 4093), (LONG, 100_003), (LONG, LONG)):
        data = content(size)
        packed = b"".join(pack(compressor, cut(data, chunk)))
        for other in (max(1, chunk // 50), chunk, len(packed) or 1):
            require_back(compressor, cut(packed, other), data, f"an image of {size:,} bytes in chunks of {chunk:,}")
    odd: list[Buffer] = [b"", bytearray(b"one"), memoryview(b"--two--")[2:5], b"", array("I", [1, 2, 3]), b""]
    data = b"onetwo" + array("I", [1, 2, 3]).tobytes()
    packed = b"".join(pack(compressor, odd))
    require_back(compressor, [b"", memoryview(packed), bytearray()], data, "an image in buffers of several kinds")


def gives_chunks_that_last(compressor: Compressor[Settings]) -> None:
    """A chunk that comes out owns its bytes: it is the same after the next ones, for several may wait for a target."""
    data = content(LONG)
    for way, source in (("packed", data), ("unpacked", b"".join(pack(compressor, cut(data, MIB))))):
        move = compressor.compress if way == "packed" else compressor.decompress
        kept, copied = [], []
        for chunk in move(cut(source, MIB)):
            kept.append(chunk)
            copied.append(bytes(chunk))
        changed = sum(bytes(chunk) != copy for chunk, copy in zip(kept, copied, strict=True))
        require(not changed, f"{changed} of {len(kept)} {way} chunks were something else after the later ones")


def lets_errors_of_its_source_go_on(compressor: Compressor[Settings]) -> None:
    """If the source raises, the same error goes on, on both ways: what cannot be read is not what is damaged."""
    data = content(LONG)
    packed = b"".join(pack(compressor, cut(data, MIB)))
    for error in (OSError(5, "of the source"), ValueError(), EOFError(), _SourceFailed()):
        for size in (0, 1, MIB, LONG):
            _require_raised(compressor.compress, data[:size], error)
        for size in (0, 1, len(packed) // 2, len(packed) - 1):
            _require_raised(compressor.decompress, packed[:size], error)


def _require_raised(move: Callable[[Iterable[Buffer]], Iterator[Buffer]], data: bytes, error: BaseException) -> None:
    def source() -> Iterator[Buffer]:
        yield from cut(data, MIB)
        raise error

    try:
        for _ in move(source()):
            pass
    except BaseException as raised:
        if raised is not error and not isinstance(raised, Exception):
            raise
        require(raised is error, f"the source raised {error!r} after {len(data):,} bytes, and {raised!r} was raised")
    else:
        require(kept=False, message=f"the source raised {error!r} after {len(data):,} bytes, and the stream ended")


def unpacks_by_its_shell_words(compressor: Compressor[Settings]) -> None:
    """The shell words `unpack`, before the file's name, write the content to standard output.

    This runs them. One that leaves the bytes as they are has none, and no suffix.
    """
    if not compressor.suffix:
        data = content(LONG)
        same = b"".join(pack(compressor, cut(data, MIB))) == data
        require(not compressor.unpack and same, "without a suffix the bytes stay as they are, and there is no `unpack`")
        return
    for size in (0, 1, LONG):
        with tempfile.TemporaryDirectory(prefix="vmbackup-check-") as folder:
            path = Path(folder, f"image.xva{compressor.suffix}")
            path.write_bytes(b"".join(pack(compressor, cut(content(size), MIB))))
            words = f"{compressor.unpack} {path.name}"
            done = subprocess.run(words, shell=True, cwd=folder, check=False, capture_output=True)  # noqa: S602 - as a person would
        require(
            done.returncode == 0 and done.stdout == content(size),
            f"`{words}` of {size:,} packed bytes ends with {done.returncode}, writes {len(done.stdout):,} bytes,"
            f" and says {done.stderr.decode(errors='replace').strip()!r}",
        )
