"""Large reads and writes, several under way at once: through the library's own requests."""

from collections.abc import Callable
from typing import Final, Generic, Protocol, TypeVar

from smbprotocol.connection import Request

from vmbackup_targets.smb.handle import Handle
from vmbackup_targets.smb.link import Link

T = TypeVar("T", int, bytes)
CREDIT: Final = 1 << 16
"""Bytes that one credit pays for (MS-SMB2 3.1.5.2)."""


class Written(Protocol):
    """A write that is under way."""

    def result(self) -> int:
        """Wait for the answer and return the number of bytes written. Raises Refused and Lost."""


class Read(Protocol):
    """A read that is under way."""

    def result(self) -> bytes:
        """Wait for the answer and return what was read, at least one byte. Raises Refused and Lost."""


class Lane(Protocol):
    """A way to the server for the bytes of files; threads may use it at once. Its methods raise Lost."""

    def write(self, handle: Handle, offset: int, data: memoryview) -> Written:
        """Begin to write `data`, which is done with when this returns."""

    def read(self, handle: Handle, offset: int, length: int) -> Read:
        """Begin to read."""


class Answer(Generic[T]):
    """The library's answer to a read or write."""

    def __init__(self, link: Link, request: Request, receive: Callable[[Request], T]) -> None:
        """`receive` is the library's own way to read the answer."""
        self._link = link
        self._request = request
        self._receive: Callable[[Request], T] = receive

    def result(self) -> T:
        """Wait for it."""
        with self._link.answers():
            outcome: T = self._receive(self._request)
        return outcome


class LibraryLane:
    """The library's requests. The payload of a write is copied six or seven times under the interpreter's lock."""

    def __init__(self, link: Link) -> None:
        """The credits of `link` are shared by all that is under way."""
        self._link = link

    def write(self, handle: Handle, offset: int, data: memoryview) -> Answer[int]:
        """Begin to write a copy of `data`."""
        with self._link.answers():
            message, receive = handle.opened.write(bytes(data), offset, send=False)
            return Answer(self._link, self._send(message, len(data)), receive)

    def read(self, handle: Handle, offset: int, length: int) -> Answer[bytes]:
        """Begin to read."""
        with self._link.answers():
            message, receive = handle.opened.read(offset, length, send=False)
            return Answer(self._link, self._send(message, length), receive)

    def _send(self, message: object, size: int) -> Request:
        link = self._link
        # Asked for twice what it costs: what a server grants less in between would else never come back.
        credit = 2 * -(-size // CREDIT)
        return link.channel.send(message, link.session.session_id, link.tree.tree_connect_id, credit_request=credit)
