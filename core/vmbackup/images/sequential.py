"""A check written as one reading from front to back, whatever the pieces in which the stream arrives."""

import re
from abc import abstractmethod
from collections.abc import Callable, Generator
from typing import TypeAlias, TypeVar

from typing_extensions import Buffer

from vmbackup.errors import ImageError
from vmbackup.images.check import Evidence, ImageCheck

T = TypeVar("T")

# A part of a reading: it yields whenever it has used up the bytes that are there, and returns what it has read.
Reading: TypeAlias = Generator[None, None, T]

_NOTHING = memoryview(b"")

# A host that fails in the middle of a body appends a whole HTTP answer to it (xapi: http_svr.ml).
_ANSWER = re.compile(rb"HTTP/1\.[^\r\n]{1,200}")
_ANSWER_LIMIT = 4096


def pool_error(data: bytes) -> str:
    """Return the first line of the HTTP answer inside `data`, fit for a terminal, or "" if there is none."""
    found = _ANSWER.search(data)
    text = found.group().decode("ascii", "replace") if found else ""
    return "".join(character if character.isprintable() else "?" for character in text)


class SequentialCheck(ImageCheck):
    """Turns the pieces around: `_read` asks for the bytes that it wants next, and is suspended until they are there.

    A reading that has raised is over, so nothing that is fed later can make its image good.
    """

    def __init__(self) -> None:
        """Start before the first byte."""
        self._piece = _NOTHING
        self._at = 0
        self._passed = 0
        self._ended = False
        self._tail = b""
        self._place = "the beginning"
        self._reading = self._read()

    @property
    def position(self) -> int:
        """How many bytes of the image have been read."""
        return self._passed + self._at

    def feed(self, piece: Buffer) -> Buffer:
        """Read on, and keep everything."""
        view = memoryview(piece)
        if view.nbytes == 0:
            return piece
        self._piece = view.cast("B")
        self._tail = (self._tail + bytes(self._piece[-_ANSWER_LIMIT:]))[-_ANSWER_LIMIT:]
        try:
            self._advance()
        finally:
            self._passed += len(self._piece)
            self._piece, self._at = _NOTHING, 0
        return piece

    def close(self) -> Evidence:
        """Finish the reading, which knows now that nothing follows."""
        self._ended = True
        evidence = self._advance()
        assert evidence is not None  # noqa: S101 - no reading waits for bytes after the end
        return evidence

    @abstractmethod
    def _read(self) -> Reading[Evidence]:
        """Read the whole image up to the end of the stream."""

    def _advance(self) -> Evidence | None:
        try:
            next(self._reading)
        except StopIteration as end:
            if not isinstance(end.value, Evidence):
                raise ImageError("the check of this image is over already", position=self.position) from None
            return end.value
        return None

    def _more(self) -> Reading[bool]:
        """Wait for bytes; False means that the stream has ended."""
        while self._at == len(self._piece):
            if self._ended:
                return False
            yield
        return True

    def _some(self, limit: int) -> Reading[bytes]:
        """Read what is there, `limit` bytes at most; nothing only at the end."""
        if not (yield from self._more()):
            return b""
        start = self._at
        self._at = min(start + limit, len(self._piece))
        return bytes(self._piece[start : self._at])

    def _up_to(self, length: int) -> Reading[bytes]:
        """Read `length` bytes, or fewer if the stream ends before."""
        data = yield from self._some(length)
        if len(data) == length or not data:
            return data
        gathered = bytearray(data)
        while len(gathered) < length and (data := (yield from self._some(length - len(gathered)))):
            gathered += data
        return bytes(gathered)

    def _take(self, length: int) -> Reading[bytes]:
        """Read exactly `length` bytes."""
        data = (yield from self._up_to(length)) if length else b""
        if len(data) < length:
            raise self._cut()
        return data

    def _pour(self, length: int, *sinks: Callable[[Buffer], object]) -> Reading[None]:
        """Give the next `length` bytes to the sinks, in views of the pieces: nothing is copied."""
        while length:
            if not (yield from self._more()):
                raise self._cut()
            start = self._at
            end = min(start + length, len(self._piece))
            for sink in sinks:
                sink(self._piece[start:end])
            self._at = end
            length -= end - start

    def _nothing_more(self, place: str) -> Reading[None]:
        """The stream must end here, behind `place`."""
        if extra := (yield from self._up_to(512)):
            raise self._fault(f"the stream goes on behind {place}", extra)

    def _cut(self) -> ImageError:
        """The stream has ended in the middle of something."""
        return self._fault(f"the stream ends inside {self._place}", self._tail)

    def _fault(self, message: str, data: bytes = b"") -> ImageError:
        """An error at this place; if the pool speaks inside `data`, the bytes in question, its words are told."""
        if line := pool_error(data):
            message += f"; the pool's error text inside the stream: {line}"
        return ImageError(message, position=self.position)
