"""What stands between a mirror and its server in a test: it counts what is sent, slows it, holds it up, or cuts it."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

PIECE = 128 << 10
PATIENCE = 30


@dataclass
class Proxy:
    """Passes connections on to `server`, a port of loopback."""

    server: int
    rate: int | None = None
    """Bytes a second that a client may send; None for all that come."""
    after: int | None = None
    """When clients have sent so many bytes, `event` is called, once."""
    event: Callable[[], None] = lambda: None
    sent: int = 0
    """Bytes that clients have sent."""
    _listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))
    _open: set[socket.socket] = field(default_factory=set)
    _threads: list[threading.Thread] = field(default_factory=list)
    _flows: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> Self:
        self._flows.set()
        self._start(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        self._flows.set()
        for thread in self._threads:
            thread.join(PATIENCE)

    @property
    def port(self) -> int:
        port: int = self._listener.getsockname()[1]
        return port

    def hold(self) -> None:
        """Pass nothing on any more, as a server that hangs."""
        self._flows.clear()

    def cut(self) -> None:
        """Cut all connections."""
        with self._lock:
            for one in self._open:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)

    def _start(self, target: Callable[..., None], *arguments: socket.socket) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.server))
            except OSError:
                client.close()
                continue
            self._start(self._serve, client, server)

    def _serve(self, client: socket.socket, server: socket.socket) -> None:
        with client, server, self._known(client, server):
            back = threading.Thread(target=self._pump, args=(server, client, lambda _: None), daemon=True)
            back.start()
            self._pump(client, server, self._count)
            back.join(PATIENCE)

    @contextlib.contextmanager
    def _known(self, *both: socket.socket) -> Iterator[None]:
        with self._lock:
            self._open.update(both)
        try:
            yield
        finally:
            with self._lock:
                self._open.difference_update(both)

    def _pump(self, source: socket.socket, sink: socket.socket, count: Callable[[int], None]) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(PIECE):
                self._flows.wait()
                count(len(data))
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _count(self, size: int) -> None:
        self.sent += size
        if self.after is not None and self.sent >= self.after:
            self.after = None
            self.event()
        if self.rate:
            time.sleep(size / self.rate)
