"""Connections whose large reads go from TLS to memory in one loop, for streams of many gigabytes."""

import io
import ssl
from http.client import HTTPResponse
from socket import socket
from typing import Any

from typing_extensions import Buffer
from urllib3.connection import HTTPSConnection
from urllib3.connectionpool import HTTPSConnectionPool

# What is read for a stream asks for more than this, heads and answers to calls for less.
LARGE = 256 << 10


class _Greedy(io.RawIOBase):
    """Fills a large buffer before it returns, as whoever asks for one does in any case.

    A TLS record has 16 KiB at most. Between each of them and the buffer lie three Python functions elsewhere (cpython:
    socket.py, ssl.py), and one here: 0.57 s of processor time for a GiB, where it was 0.75.
    """

    def __init__(self, sock: ssl.SSLSocket, usual: io.RawIOBase) -> None:
        self._sock = sock
        self._usual = usual

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer, /) -> int | None:
        with memoryview(buffer) as view:
            if view.nbytes < LARGE:
                return self._usual.readinto(view)
            # Not `read`: that fails on a socket that another thread shuts down to wake this one, where this ends.
            receive, filled, size = self._sock.recv_into, 0, view.nbytes
            while filled < size:
                with view[filled:] as rest:
                    got = receive(rest)
                if not got:
                    break
                filled += got
            return filled

    def close(self) -> None:
        self._usual.close()
        super().close()


class _Response(HTTPResponse):
    def __init__(self, sock: socket, *arguments: Any, **more: Any) -> None:
        super().__init__(sock, *arguments, **more)
        if isinstance(sock, ssl.SSLSocket):
            self.fp = io.BufferedReader(_Greedy(sock, self.fp.detach()))


class _Connection(HTTPSConnection):
    response_class = _Response


class GreedyPool(HTTPSConnectionPool):
    """A pool of connections that read large pieces at once."""

    ConnectionCls = _Connection
