"""Streams of chunks in other portions: joined to whole blocks, cut into pieces, or read so many bytes at a time."""

from collections.abc import Iterable, Iterator
from typing import Final

from vmbackup import Buffer, ImageError

PIECE: Final = 1 << 20


def blocks(chunks: Iterable[Buffer], size: int) -> Iterator[bytes]:
    """Yield the content in blocks of `size` bytes; the last one is shorter, and the only one of no content is empty."""
    parts: list[memoryview[int]] = []
    missing, count = size, 0
    for chunk in chunks:
        view = memoryview(chunk).cast("B")
        while view.nbytes >= missing:
            yield b"".join([*parts, view[:missing]])
            view = view[missing:]
            parts, missing, count = [], size, count + 1
        if view.nbytes:
            parts.append(view)
            missing -= view.nbytes
    if parts or not count:
        yield b"".join(parts)


def pieces(content: bytes) -> Iterator[Buffer]:
    """Yield the content in pieces of 1 MiB at most, which keep it alive."""
    view = memoryview(content)
    for start in range(0, len(content), PIECE):
        yield view[start : start + PIECE]


class Source:
    """A compressed stream that is read a few bytes at a time."""

    def __init__(self, chunks: Iterable[Buffer]) -> None:
        """Take the chunks to read from."""
        self._chunks = iter(chunks)
        self._rest = memoryview(b"")
        self.position = 0
        """Bytes of content that are known to stand before what is read now: the place that an error tells."""

    def some(self, most: int) -> bytes:
        """Return at least one byte and at most so many, as they come; none at the end."""
        while not self._rest.nbytes:
            try:
                self._rest = memoryview(next(self._chunks)).cast("B")
            except StopIteration:
                return b""
        taken, self._rest = bytes(self._rest[:most]), self._rest[most:]
        return taken

    def up_to(self, size: int) -> bytes:
        """Return so many bytes, or fewer at the end."""
        taken = self.some(size)
        while len(taken) < size and (more := self.some(size - len(taken))):
            taken += more
        return taken

    def take(self, size: int) -> bytes:
        """Return so many bytes. Raises ImageError if there are no more."""
        taken = self.up_to(size)
        if len(taken) < size:
            raise self.wrong("ends in the middle")
        return taken

    def put_back(self, data: bytes) -> None:
        """Have it read `data` once more."""
        self._rest = memoryview(data + bytes(self._rest))

    def end(self) -> None:
        """Raise ImageError unless there is nothing left."""
        if self.some(1):
            raise self.wrong("has foreign bytes behind its end")

    def wrong(self, what: str) -> ImageError:
        """Return an error of the stream, which `what` is said of."""
        return ImageError(f"the compressed stream {what}", position=self.position)
