"""The listening server: a thread for each connection, the longest matching path, RPC and handlers (http_svr.ml)."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable

from vmbackup.simulator import dispatch, http
from vmbackup.simulator.faults import Outage
from vmbackup.simulator.handlers import ROUTES
from vmbackup.simulator.handlers.answer_faults import answered
from vmbackup.simulator.handlers.exchange import Exchange
from vmbackup.simulator.listener import Listener
from vmbackup.simulator.pool import Pool
from vmbackup.simulator.rpc_faults import ReplyGone
from vmbackup.simulator.wire import HostDied, Wire


class Server:
    """Listens for one host of the pool (a ref) on an IPv4 address until it is closed."""

    def __init__(self, pool: Pool, host: str, address: tuple[str, int], tls: ssl.SSLContext | None) -> None:
        self._pool = pool
        self._host = host
        self._tls = tls
        self._wires: set[Wire] = set()
        self._streams: set[Wire] = set()
        self._threads: set[threading.Thread] = set()
        self._lock = threading.Lock()
        self._closed = False
        self._head_limit = http.HEAD_LIMIT if pool.settings.profile.limits_heads else None
        self._listener = Listener(address, pool.faults, self._suffer)
        self._acceptor = threading.Thread(target=self._accept, name="simulator", daemon=True)
        self._acceptor.start()

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self._listener.address[1]

    def cut(self) -> None:
        """End every connection; new ones are taken."""
        self._abort(self._wires)

    def cut_streams(self) -> None:
        """End the connections that are with a handler."""
        self._abort(self._streams)

    def _abort(self, wires: set[Wire]) -> None:
        with self._lock:
            found = list(wires)
        for wire in found:
            wire.abort()

    def deafen(self) -> None:
        """Stop listening and end every connection, without waiting for their threads."""
        with self._lock:
            deaf, self._closed = self._closed, True
        if not deaf:
            self._listener.close()
            self._acceptor.join()
        self.cut()

    def close(self) -> None:
        """Stop listening, end every connection and wait for their threads."""
        self.deafen()
        with self._lock:
            threads = list(self._threads)
        for thread in threads:
            thread.join()

    def _accept(self) -> None:
        while (connection := self._listener.accept()) is not None:
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
                if self._listener.silent:
                    wire.fall_silent()
                self._threads.add(thread)
                thread.start()

    def _wire(self, connection: socket.socket) -> Wire:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._tls is None:
            return Wire(connection, self._head_limit, self._pool.settings.head_seconds)
        secure = self._tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return Wire(secure, self._head_limit, self._pool.settings.head_seconds)

    def _suffer(self, outage: Outage | None, before: Outage | None) -> None:
        """Do to the connections what an outage does to them, at its beginning and at its end."""
        with self._lock:
            wires = list(self._wires)
        if outage is not None and outage.connections == "silent":
            for wire in wires:
                wire.fall_silent()
        elif (outage or before or Outage()).connections != "kept":
            for wire in wires:
                wire.doom()

    def _serve(self, wire: Wire) -> None:
        try:
            with contextlib.suppress(OSError, ValueError):
                wire.handshake()
                while self._one_request(wire):
                    pass
        except ReplyGone as gone:
            if gone.end == "reset":
                wire.reset()
        except HostDied as died:
            host = self._listener.address[0]
            self._pool.faults.add(Outage(host=host, seconds=died.seconds, connections=died.connections))
        finally:
            wire.close()
            with self._lock:
                self._wires.discard(wire)
                self._streams.discard(wire)
                self._threads.discard(threading.current_thread())

    def _one_request(self, wire: Wire) -> bool:
        try:
            head = wire.read_head()
            if head is None:
                return False
            request = http.parse_head(head)
            if request.method == "POST":
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
        answer, media_type = _protocol(request.path)
        try:
            text = answer(self._pool, body, dispatch.origin(self._host, request.headers))
        except ValueError:
            raise http.Refused(http.internal_error(request.version, None)) from None
        wire.write([http.rpc_answer(request, text.encode(), media_type)])
        return request.keeps_alive

    def _handle(self, wire: Wire, request: http.Request) -> None:
        handler = _longest_prefix(request)
        if handler is None:
            page = http.missing if request.method == "GET" else http.forbidden
            raise http.Refused(page(request.version))
        with self._lock:
            self._streams.add(wire)
        self._pool.log.requested(request.method, request.path, request.query)
        exchange = Exchange(self._pool, self._host, request, wire)
        if not answered(exchange):
            handler(exchange)


def _protocol(path: str) -> tuple[Callable[[Pool, bytes, dispatch.Origin], str], str]:
    """Choose by prefix. Every other path reaches `/`, XML-RPC: `/RPC2`, `/json` (which is no JSON) and strangers'."""
    if path.startswith("/jsonrpc"):
        return dispatch.answer_json, "application/json"
    return dispatch.answer, "text/xml"


def _longest_prefix(request: http.Request) -> Callable[[Exchange], None] | None:
    found = [prefix for method, prefix in ROUTES if method == request.method and request.path.startswith(prefix)]
    return ROUTES[request.method, max(found, key=len)] if found else None
