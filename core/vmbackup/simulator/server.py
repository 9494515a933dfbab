"""The listening server: a thread for each connection, the longest matching path, RPC and handlers (http_svr.ml)."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable

from vmbackup.simulator import dispatch, http
from vmbackup.simulator.handlers import ROUTES
from vmbackup.simulator.handlers.exchange import Exchange
from vmbackup.simulator.pool import Pool
from vmbackup.simulator.wire import Wire


class Server:
    """Listens on an IPv4 address until it is closed."""

    def __init__(self, pool: Pool, address: tuple[str, int], tls: ssl.SSLContext | None) -> None:
        self._pool = pool
        self._tls = tls
        self._listener = socket.create_server(address, backlog=64)
        self._wires: set[Wire] = set()
        self._threads: set[threading.Thread] = set()
        self._lock = threading.Lock()
        self._closed = False
        self._acceptor = threading.Thread(target=self._accept, name="simulator", daemon=True)
        self._acceptor.start()

    @property
    def port(self) -> int:
        """The port that it listens on."""
        port: int = self._listener.getsockname()[1]
        return port

    def close(self) -> None:
        """Stop listening, end every connection and wait for their threads."""
        with self._lock:
            self._closed = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._acceptor.join()
        self._listener.close()
        with self._lock:
            wires, threads = list(self._wires), list(self._threads)
        for wire in wires:
            wire.abort()
        for thread in threads:
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                if self._closed:
                    connection.close()
                    return
                try:
                    wire = self._wire(connection)
                except OSError:  # the peer was gone before TLS began
                    connection.close()
                    continue
                thread = threading.Thread(target=self._serve, args=(wire,), name="connection", daemon=True)
                self._wires.add(wire)
                self._threads.add(thread)
                thread.start()

    def _wire(self, connection: socket.socket) -> Wire:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._tls is None:
            return Wire(connection)
        return Wire(self._tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False))

    def _serve(self, wire: Wire) -> None:
        try:
            with contextlib.suppress(OSError, ValueError):
                wire.handshake()
                while self._one_request(wire):
                    pass
        finally:
            wire.close()
            with self._lock:
                self._wires.discard(wire)
                self._threads.discard(threading.current_thread())

    def _one_request(self, wire: Wire) -> bool:
        try:
            head = wire.read_head()
            if head is None:
                return False
            request = http.parse_head(head)
            if request.method == "POST" and _matches_rpc(request.path):
                return self._rpc(wire, request)
            self._handle(wire, request)
        except http.Refused as refused:
            wire.write([refused.answer])
        return False

    def _rpc(self, wire: Wire, request: http.Request) -> bool:
        length = request.length
        if length is None or length > http.BODY_LIMIT:
            raise http.Refused(http.internal_error(request.version, None))
        body = wire.read_exactly(length)
        try:
            answer = dispatch.answer(self._pool, body)
        except ValueError:
            raise http.Refused(http.internal_error(request.version, None)) from None
        wire.write([http.rpc_answer(request, answer.encode())])
        return request.keeps_alive

    def _handle(self, wire: Wire, request: http.Request) -> None:
        handler = _longest_prefix(request)
        if handler is None:
            page = http.missing if request.method == "GET" else http.forbidden
            raise http.Refused(page(request.version))
        handler(Exchange(self._pool, request, wire))


def _matches_rpc(path: str) -> bool:
    return path == "/" or path.startswith("/RPC2")


def _longest_prefix(request: http.Request) -> Callable[[Exchange], None] | None:
    found = [prefix for method, prefix in ROUTES if method == request.method and request.path.startswith(prefix)]
    return ROUTES[request.method, max(found, key=len)] if found else None
