"""A way to a server through which frames can be counted, held back and changed."""

import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

LENGTH = struct.Struct(">I")
Meddle = Callable[[bytes], bytes | None]


@dataclass
class Proxy:
    """Listens on a port of its own and hands frames on, both ways, to `port`; None from a hook ends the connection."""

    port: int
    on_request: Meddle = field(default=lambda frame: frame)
    on_answer: Meddle = field(default=lambda frame: frame)
    open: threading.Event = field(default_factory=threading.Event)
    """While it is not set, new connections wait."""
    requests: int = 0
    connections: int = 0

    def __enter__(self) -> Self:
        self.open.set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._changed = threading.Condition()
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._threads[0].join()
        self.cut()
        for thread in self._threads[1:]:
            thread.join()

    @property
    def here(self) -> int:
        """The port to connect to."""
        port: int = self._listener.getsockname()[1]
        return port

    def cut(self) -> None:
        """End all connections."""
        for one in self._sockets:
            _shut(one)

    def wait_for_requests(self, number: int, seconds: float) -> bool:
        """Wait until so many requests have come, and say whether they have."""
        with self._changed:
            return self._changed.wait_for(lambda: self.requests >= number, seconds)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.open.wait()
            try:
                server = socket.create_connection(("127.0.0.1", self.port))
            except OSError:
                client.close()
                continue
            self.connections += 1
            self._sockets += [client, server]
            for arguments in ((client, server, self._request), (server, client, self._answer)):
                self._threads.append(threading.Thread(target=_pump, args=arguments))
                self._threads[-1].start()

    def _request(self, frame: bytes) -> bytes | None:
        with self._changed:
            self.requests += 1
            self._changed.notify_all()
        return self.on_request(frame)

    def _answer(self, frame: bytes) -> bytes | None:
        return self.on_answer(frame)


def _pump(source: socket.socket, sink: socket.socket, meddle: Meddle) -> None:
    with source, contextlib.suppress(OSError), source.makefile("rb") as incoming:
        while len(head := incoming.read(LENGTH.size)) == LENGTH.size:
            frame = incoming.read(LENGTH.unpack(head)[0])
            meddled = meddle(frame)
            if meddled is None:
                break
            sink.sendall(LENGTH.pack(len(meddled)) + meddled)
    _shut(sink)
    _shut(source)


def _shut(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
