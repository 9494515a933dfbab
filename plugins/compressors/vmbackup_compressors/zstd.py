"""Zstandard (RFC 8878): one frame with a checksum for each image, and any number of frames on the way back."""

import os
from collections.abc import Iterable, Iterator

import zstandard
from pydantic import Field

from vmbackup import Buffer, Compressor, ImageError, Settings

PIECE = 1 << 20
# The largest window that `zstd -d` takes without options (zstd: `ZSTD_WINDOWLOG_LIMIT_DEFAULT`). No level up to 19
# makes a larger one.
WINDOW = 1 << 27
# What is fed in at a time while decompressing. Four bytes can stand for a block of 128 KiB, so a hostile stream makes
# 32 MiB of one step at most, which zstandard then joins; smaller steps cost speed.
STEP = 1 << 10


class ZstdSettings(Settings):
    """How hard to try."""

    level: int = Field(default=3, ge=1, le=19, description="1 is fast, 19 is small and very slow")
    threads: int = Field(default=0, ge=0, le=64, description="how many threads compress; 0: one a processor")


class Zstd(Compressor[ZstdSettings]):
    """Zstandard: fast, and good with the empty space of disks; `zstd -d` unpacks it."""

    name = "zstd"
    suffix = ".zst"
    unpack = "zstd -d"
    Settings = ZstdSettings

    def compress(self, chunks: Iterable[Buffer]) -> Iterator[Buffer]:
        """One frame, in pieces of 1 MiB; its last block is only given out once `chunks` has ended."""
        compressor = zstandard.ZstdCompressor(
            level=self.settings.level,
            threads=self.settings.threads or len(os.sched_getaffinity(0)),
            write_checksum=True,
        )
        chunker = compressor.chunker(chunk_size=PIECE)
        for chunk in chunks:
            yield from chunker.compress(memoryview(chunk))
        yield from chunker.finish()  # type: ignore[no-untyped-call] # zstandard's stubs leave it bare

    def decompress(self, chunks: Iterable[Buffer]) -> Iterator[Buffer]:
        """The content of all frames, in pieces of 1 MiB at most.

        Memory stays under 200 MiB whatever the bytes are. Raises ImageError for damage, for an end in the middle of a
        frame, for bytes behind the last one, and for a window of more than 128 MiB.
        """
        frames = _Frames()
        for chunk in chunks:
            with memoryview(chunk) as view, view.cast("B") as octets:
                for start in range(0, octets.nbytes, STEP):
                    yield from frames.feed(bytes(octets[start : start + STEP]))
        frames.close()


class _Frames:
    """Frames one behind the other, while they are decompressed."""

    def __init__(self) -> None:
        self._decompressor = zstandard.ZstdDecompressor(max_window_size=WINDOW)
        self._frame = self._decompressor.decompressobj()
        self._fed = False
        self._ended = 0
        self._position = 0

    def feed(self, packed: bytes) -> Iterator[Buffer]:
        """Yield what `packed` adds."""
        while packed:
            try:
                content = self._frame.decompress(packed)
            except zstandard.ZstdError as error:
                raise ImageError(self._trouble(str(error)), position=self._position) from error
            yield from _pieces(content)
            self._position += len(content)
            self._fed = not self._frame.eof
            packed = self._frame.unused_data
            if self._frame.eof:
                self._ended += 1
                self._frame = self._decompressor.decompressobj()

    def close(self) -> None:
        """The stream has ended. Raises ImageError unless a frame has ended with it."""
        if self._fed or not self._ended:
            raise ImageError("the compressed stream ends in the middle", position=self._position)

    def _trouble(self, words: str) -> str:
        if self._ended and not self._fed:
            return f"there are foreign bytes behind the compressed stream: {words}"
        return f"the compressed stream is damaged: {words}"


def _pieces(content: bytes) -> Iterator[Buffer]:
    view = memoryview(content)
    for start in range(0, len(content), PIECE):
        yield view[start : start + PIECE]
