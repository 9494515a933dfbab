"""One connection: reading it through a buffer, writing to it fast, ending it in a chosen way."""

import contextlib
import select
import socket
import ssl
import struct
import threading
import time
from collections.abc import Sequence
from typing import Literal

from vmbackup.simulator.http import Refused, simple

_HANDSHAKE_SECONDS = 10.0
_HEAD_PIECES = 6  # times the time-out of a piece is that of a whole head: 60 seconds on a real host
_PIECE = 256 << 10
_TLS_ALERT = b"\x15"  # the type of the record with which a peer says goodbye


class PeerGone(ConnectionError):
    """The other side is gone, or the server is stopping."""


class HostDied(Exception):
    """The host goes away by a rule; see `faults.Outage` for the arguments."""

    def __init__(self, seconds: float | None, connections: Literal["reset", "silent"]) -> None:
        super().__init__(seconds, connections)
        self.seconds = seconds
        self.connections = connections


class Wire:
    """A connection, plain or TLS, used by one thread; `abort`, `fall_silent` and `doom` may be called by any."""

    def __init__(self, connection: socket.socket, head_limit: int | None, head_seconds: float) -> None:
        self._socket = connection
        self._head_limit = head_limit
        self._head_seconds = head_seconds
        self._buffer = bytearray()
        self._closing = threading.Lock()
        self._open = True
        self._doomed = False
        self._heard = threading.Event()
        self._heard.set()

    @property
    def encrypted(self) -> bool:
        """Say whether this is TLS."""
        return isinstance(self._socket, ssl.SSLSocket)

    @property
    def local_name(self) -> str:
        """Give the address and port at this end."""
        address, port = self._socket.getsockname()[:2]
        return f"{address}:{port}"

    def peer_is_gone(self) -> bool:
        """Say whether the other side ended the connection (and nothing that it sent before is still to be read)."""
        try:
            readable, _, _ = select.select([self._socket], [], [], 0)
            first = socket.socket.recv(self._socket, 1, socket.MSG_PEEK) if readable else None
        except (OSError, ValueError):
            return True
        return first == b"" or (self.encrypted and first == _TLS_ALERT)

    def fall_silent(self) -> None:
        """Let nothing through any more, until the connection is doomed or aborted."""
        self._heard.clear()

    def doom(self) -> None:
        """Have the connection reset by its thread, which is woken where it waits."""
        self._doomed = True
        self._heard.set()
        with self._closing, contextlib.suppress(OSError):
            if self._open:
                socket.socket.shutdown(self._socket, socket.SHUT_RD)

    def _pass(self) -> None:
        """Wait while the connection is silent. Raises PeerGone when it is doomed."""
        self._heard.wait()
        if self._doomed:
            raise PeerGone("the host is gone")

    def handshake(self) -> None:
        """Shake hands, if this is TLS. Raises OSError."""
        self._pass()
        if isinstance(self._socket, ssl.SSLSocket):
            self._socket.settimeout(_HANDSHAKE_SECONDS)
            self._socket.do_handshake()
            self._socket.settimeout(None)

    def read_head(self) -> bytes | None:
        """Read a request's head up to its blank line; None when the peer closed. Raises Refused (408, 431)."""
        began = time.monotonic() if self._buffer else None
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            if self._head_limit is not None and len(self._buffer) > self._head_limit:
                break
            piece = self._head_piece(began)
            self._pass()
            if not piece:
                return None
            began = began or time.monotonic()
            self._buffer += piece
        self._socket.settimeout(None)
        if end < 0 or (self._head_limit is not None and end > self._head_limit - 4):
            raise Refused(simple("1.1", "431 Request Header Fields Too Large", ""))
        head = bytes(self._buffer[:end])
        del self._buffer[: end + 4]
        return head

    def _head_piece(self, began: float | None) -> bytes:
        """Wait for more of a head; for its first byte as long as it takes. Raises Refused (408)."""
        patience = None
        if began is not None:
            left = began + _HEAD_PIECES * self._head_seconds - time.monotonic()
            patience = max(0.001, min(self._head_seconds, left))
        self._socket.settimeout(patience)
        try:
            return self._socket.recv(4096)
        except TimeoutError:
            raise Refused(simple("1.1", "408 Request Timeout", "")) from None

    def read(self, count: int) -> bytes:
        """Read at most `count` bytes, none at the end of the stream. Raises PeerGone."""
        if not self._buffer:
            try:
                received = self._socket.recv(min(count, _PIECE))
            except (OSError, ValueError) as error:
                raise PeerGone(str(error)) from error
            self._pass()
            return received
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
        self._pass()
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
        """End the connection in good order: close_notify under TLS, then FIN. A doomed one is reset."""
        self._heard.wait()
        if self._doomed:
            self.reset()
            return
        with self._closing:
            if not self._open:
                return
            self._open = False
            with contextlib.suppress(OSError, ValueError):
                self._say_goodbye()
            self._socket.close()

    def _say_goodbye(self) -> None:
        if isinstance(self._socket, ssl.SSLSocket):
            select.select([], [self._socket], [], _HANDSHAKE_SECONDS)
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
        self._doomed = self._doomed or not self._heard.is_set()
        self._heard.set()
        with self._closing, contextlib.suppress(OSError):
            if self._open:
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
