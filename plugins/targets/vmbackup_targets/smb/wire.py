"""The TCP connection under the library: frames out and in, with a time-out on every wait, and buffers used again."""

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

from smbprotocol.structure import Structure

from vmbackup_targets.smb.trouble import Lost

LENGTH: Final = struct.Struct(">I")
# A frame's length has 24 bits, the byte above them is zero (MS-SMB2 2.1).
MOST: Final = (1 << 24) - 1


class Wire:
    """What smbprotocol calls a transport: it calls `connect`, `send`, `recv` and `close`, and reads `connected`.

    The socket blocks, with the kernel's own limits on each call: a time-out of Python's would cost a poll for each, and
    cut a send of 1 MiB into pieces.
    """

    def __init__(self, server: str, port: int, seconds: float) -> None:
        """`seconds` is how long connecting, sending, and the rest of a frame that has begun may stand still."""
        self.connected = False
        self.taker: Callable[[memoryview], bool] | None = None
        """Is shown each frame before the library, and says whether it was meant for it."""
        self.when_closed: Callable[[], None] | None = None
        """Is called, from whatever thread, when no frame will come any more."""
        self.sending = threading.Lock()
        self._address = (server, port)
        self._seconds = seconds
        self._socket = socket.socket()
        self._buffer = memoryview(bytearray(1 << 16))

    def connect(self) -> None:
        """Open the connection, unless it is open. Raises OSError."""
        if self.connected:
            return
        self._socket.close()
        self._socket = socket.create_connection(self._address, timeout=self._seconds)
        self._socket.settimeout(None)
        limit = struct.pack("@ll", int(self._seconds), int(self._seconds % 1 * 1e6))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.connected = True

    def send(self, message: bytes | Structure) -> None:
        """Send one frame, which the library hands over packed or, if it is encrypted, not yet. Raises Lost."""
        with self.sending:
            self.send_parts([message if isinstance(message, bytes) else message.pack()])

    def send_parts(self, parts: Sequence[bytes | memoryview]) -> None:
        """Send one frame that lies in parts; the caller holds `sending`. Raises Lost."""
        left = sum(len(part) for part in parts)
        if not self.connected:
            raise Lost("the connection to the server is closed")
        rest = [LENGTH.pack(left), *parts]
        left += LENGTH.size
        try:
            while left:
                sent = self._socket.sendmsg(rest)
                left -= sent
                if left:
                    rest = _behind(rest, sent)
        except OSError as error:
            # The rest of a frame can never follow: no one may send after this.
            self.close()
            why = f"it took nothing for {self._seconds:g} s" if isinstance(error, BlockingIOError) else error.strerror
            raise Lost(f"the connection to the server broke while sending: {why}") from error

    def recv(self, timeout: float) -> bytes:
        """Return the next frame that is the library's; empty when there is none to come.

        Raises TimeoutError when no frame has begun for `timeout` seconds: the library then asks whether the server is
        still there.
        """
        until = time.monotonic() + timeout
        while True:
            size = self._next_size(until)
            frame = self._frame(size) if size else None
            if frame is None:
                self.close()
                return b""
            if self.taker is None or not self.taker(frame):
                return bytes(frame)

    def close(self) -> None:
        """End the connection, whoever waits for it."""
        self.connected = False
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        if self.when_closed is not None:
            self.when_closed()

    def forget(self) -> None:
        """Give the socket back, after `close`, when no thread can be waiting on it any more."""
        self._socket.close()

    def _next_size(self, until: float) -> int:
        head = memoryview(bytearray(LENGTH.size))
        while True:
            try:
                got = self._socket.recv_into(head)
            except BlockingIOError:
                if self.connected and time.monotonic() >= until:
                    raise TimeoutError("no frame has come") from None
            except OSError:
                return 0
            else:
                break
        if not got or not self._fill(head[got:]):
            return 0
        size: int = LENGTH.unpack(head)[0]
        return size if size <= MOST else 0

    def _frame(self, size: int) -> memoryview | None:
        if size > len(self._buffer):
            self._buffer = memoryview(bytearray(size))
        frame = self._buffer[:size]
        return frame if self._fill(frame) else None

    def _fill(self, view: memoryview) -> bool:
        """Read until `view` is full; False if the connection ends, or stands still, before."""
        try:
            while view:
                got = self._socket.recv_into(view, 0, socket.MSG_WAITALL)
                if not got:
                    return False
                view = view[got:]
        except OSError:
            return False
        return True


def _behind(parts: Sequence[bytes | memoryview], sent: int) -> list[bytes | memoryview]:
    """What is left of `parts` behind their first `sent` bytes."""
    left: list[bytes | memoryview] = []
    for part in parts:
        if sent < len(part):
            left.append(memoryview(part)[sent:])
        sent = max(0, sent - len(part))
    return left
