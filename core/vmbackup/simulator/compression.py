"""The compressor behind `use_compression`: one frame around the whole tar, never a member each (export.ml)."""

import zlib
from collections.abc import Callable, Sequence
from typing import Protocol

import zstandard

from vmbackup.simulator.xva import Sink

_LEVEL = 1


class Compressor(Sink, Protocol):
    """A sink that must be closed; `close` ends the frame validly, however much of a tar is in it."""

    def close(self) -> None:
        """End the frame."""


class Plain:
    """No compression."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    def write(self, parts: Sequence[bytes | memoryview]) -> None:
        """Pass the parts on."""
        self._sink.write(parts)

    def close(self) -> None:
        """Do nothing: there is no frame."""


class Framed:
    """A compressor made of the functions that compress a piece and end the frame."""

    def __init__(self, sink: Sink, compress: Callable[[bytes | memoryview], bytes], flush: Callable[[], bytes]) -> None:
        self._sink = sink
        self._compress = compress
        self._flush = flush

    def write(self, parts: Sequence[bytes | memoryview]) -> None:
        """Compress the parts and pass on what comes out."""
        for part in parts:
            if out := self._compress(part):
                self._sink.write([out])

    def close(self) -> None:
        """Pass on the end of the frame."""
        self._sink.write([self._flush()])


def compressor(wanted: str | None, sink: Sink) -> Compressor:
    """Make the compressor of this name; None is none at all."""
    if wanted == "gzip":
        gzip = zlib.compressobj(_LEVEL, wbits=31)
        return Framed(sink, gzip.compress, gzip.flush)
    if wanted == "zstd":
        zstd = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).compressobj()
        return Framed(sink, zstd.compress, zstd.flush)
    return Plain(sink)
