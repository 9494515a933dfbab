"""One connection: reading it through a buffer, writing to it fast, ending it in a chosen way."""

import contextlib
import select
import socket
import ssl
import struct
import threading
from collections.abc import Sequence

from vmbackup.simulator.http import HEAD_LIMIT, Refused, simple

_HEADER_SECONDS = 10.0
_PIECE = 256 << 10


class PeerGone(ConnectionError):
    """The other side is gone, or the server is stopping."""


class Wire:
    """A connection, plain or TLS, used by one thread; `abort` may be called by any."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._buffer = bytearray()
        self._closing = threading.Lock()
        self._open = True

    def handshake(self) -> None:
        """Shake hands, if this is TLS. Raises OSError."""
        if isinstance(self._socket, ssl.SSLSocket):
            self._socket.settimeout(_HEADER_SECONDS)
            self._socket.do_handshake()
            self._socket.settimeout(None)

    def read_head(self) -> bytes | None:
        """Read a request's head up to its blank line; None when the peer closed. Raises Refused (408, 431)."""
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            if len(self._buffer) > HEAD_LIMIT:
                break
            self._socket.settimeout(_HEADER_SECONDS if self._buffer else None)
            try:
                piece = self._socket.recv(4096)
            except TimeoutError:
                raise Refused(simple("1.1", "408 Request Timeout", "")) from None
            if not piece:
                return None
            self._buffer += piece
        self._socket.settimeout(None)
        if not 0 <= end <= HEAD_LIMIT - 4:
            raise Refused(simple("1.1", "431 Request Header Fields Too Large", ""))
        head = bytes(self._buffer[:end])
        del self._buffer[: end + 4]
        return head

    def read(self, count: int) -> bytes:
        """Read at most `count` bytes, none at the end of the stream. Raises PeerGone."""
        if not self._buffer:
            try:
                return self._socket.recv(min(count, _PIECE))
            except (OSError, ValueError) as error:
                raise PeerGone(str(error)) from error
        piece = bytes(self._buffer[:count])
        del self._buffer[:count]
        return piece

    def read_exactly(self, count: int) -> bytes:
        """Read a body of `count` bytes. Raises PeerGone when the stream ends before."""
        pieces: list[bytes] = []
        while count:
            piece = self.read(count)
            if not piece:
                raise PeerGone("the request's body ended early")
            pieces.append(piece)
            count -= len(piece)
        return b"".join(pieces)

    def write(self, parts: Sequence[bytes | memoryview]) -> None:
        """Send all parts. Raises PeerGone."""
        try:
            self._send(parts)
        except (OSError, ValueError) as error:
            raise PeerGone(str(error)) from error

    def _send(self, parts: Sequence[bytes | memoryview]) -> None:
        if isinstance(self._socket, ssl.SSLSocket):
            for part in parts:
                self._socket.sendall(part)
            return
        sent = self._socket.sendmsg(parts)
        for part in parts:
            if sent < len(part):
                self._socket.sendall(memoryview(part)[sent:])
            sent = max(0, sent - len(part))

    def close(self) -> None:
        """End the connection in good order: close_notify under TLS, then FIN."""
        with self._closing:
            if not self._open:
                return
            self._open = False
            with contextlib.suppress(OSError, ValueError):
                self._say_goodbye()
            self._socket.close()

    def _say_goodbye(self) -> None:
        if isinstance(self._socket, ssl.SSLSocket):
            select.select([], [self._socket], [], _HEADER_SECONDS)
            self._socket.settimeout(0)
            self._socket.unwrap()

    def reset(self) -> None:
        """End the connection with a RST."""
        with self._closing:
            if self._open:
                self._open = False
                linger = struct.pack("ii", 1, 0)
                with contextlib.suppress(OSError):
                    self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                self._socket.close()

    def abort(self) -> None:
        """Wake the thread that waits in this connection, from another one; it then ends by itself."""
        with self._closing, contextlib.suppress(OSError):
            if self._open:
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
