"""The bytes of one file on their way, several requests ahead of the answers, in order."""

from collections import deque
from collections.abc import Generator, Iterator
from contextlib import suppress
from typing import Final

from vmbackup import Buffer
from vmbackup_targets.smb.handle import Handle
from vmbackup_targets.smb.lane import Lane, Read, Written
from vmbackup_targets.smb.status import Status
from vmbackup_targets.smb.trouble import Lost, Refused

# Of 1 MiB each: enough for 10 Gbit/s over 12 ms, or 1 Gbit/s over 120 ms. On loopback, 8 made 0.9 of this speed.
DEPTH: Final = 16


class Writer:
    """Writes a file from its start. All methods raise Refused and Lost."""

    def __init__(self, lane: Lane, handle: Handle, piece: int) -> None:
        """`piece` is the number of bytes in one request."""
        self._lane = lane
        self._handle = handle
        self._gathered = memoryview(bytearray(piece))
        self._filled = 0
        self._sent = 0
        self._waiting: deque[tuple[Written, int]] = deque()

    def write(self, chunk: Buffer) -> None:
        """Append a chunk, which is done with when this returns. One of a piece or more is never copied here."""
        size = len(self._gathered)
        with memoryview(chunk) as view, view.cast("B") as octets:
            at = 0
            while at < octets.nbytes:
                if not self._filled and octets.nbytes - at >= size:
                    self._send(octets[at : at + size])
                    at += size
                    continue
                take = min(size - self._filled, octets.nbytes - at)
                self._gathered[self._filled : self._filled + take] = octets[at : at + take]
                self._filled += take
                at += take
                if self._filled == size:
                    self._send_gathered()

    def finish(self) -> int:
        """Send what is gathered, wait for all answers, and return the number of bytes written."""
        if self._filled:
            self._send_gathered()
        while self._waiting:
            self._settle()
        return self._sent

    def abandon(self) -> None:
        """Wait for all answers, whatever they say: a file is not closed while it is written to."""
        while self._waiting:
            with suppress(Refused, Lost):
                self._waiting.popleft()[0].result()

    def _send_gathered(self) -> None:
        self._send(self._gathered[: self._filled])
        self._filled = 0

    def _send(self, data: memoryview) -> None:
        if len(self._waiting) == DEPTH:
            self._settle()
        self._waiting.append((self._lane.write(self._handle, self._sent, data), len(data)))
        self._sent += len(data)

    def _settle(self) -> None:
        written, size = self._waiting.popleft()
        count = written.result()
        if count != size:
            raise Lost(f"the server wrote {count:,} bytes where it was sent {size:,}")


def read(lane: Lane, handle: Handle, piece: int, start: int, end: int) -> Generator[bytes, None, None]:
    """The bytes of a file from `start` to `end`, or to its end; `piece` is the number in one request."""
    waiting: deque[tuple[Read, int, int]] = deque()
    asked = start
    try:
        while asked < end or waiting:
            while asked < end and len(waiting) < DEPTH:
                length = min(piece, end - asked)
                waiting.append((lane.read(handle, asked, length), asked, length))
                asked += length
            answer, offset, length = waiting.popleft()
            yield from _whole(lane, handle, answer, offset, length)
    except Refused as error:
        # The file has become shorter since it was opened.
        if error.status != Status.END_OF_FILE:
            raise
    finally:
        while waiting:
            with suppress(Refused, Lost):
                waiting.popleft()[0].result()


def _whole(lane: Lane, handle: Handle, answer: Read, offset: int, length: int) -> Iterator[bytes]:
    """What one answer brings, and, where the server returned less than it was asked for, the rest."""
    while True:
        data = answer.result()
        if not 0 < len(data) <= length:
            raise Lost(f"the server returned {len(data):,} bytes where it was asked for {length:,}")
        yield data
        offset, length = offset + len(data), length - len(data)
        if not length:
            return
        answer = lane.read(handle, offset, length)
