"""A way to a server of HTTP on which requests can be counted, and answers changed or lost."""

import contextlib
import http.client
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Request:
    """What is asked; `body` may be changed on its way."""

    method: str
    path: str
    body: bytes
    headers: dict[str, str]


@dataclass
class Reply:
    """What is answered."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    cut: int | None = None
    """After so many bytes the connection is closed."""


@dataclass
class Way:
    """Hands requests on to `port`. A hook that returns None loses what it was given, and
    the connection with it; one that returns a reply to a request has answered it."""

    port: int
    on_request: Callable[[Request], Request | Reply | None] = field(default=lambda request: request)
    on_reply: Callable[[Request, Reply], Reply | None] = field(default=lambda _, reply: reply)
    here: int = 0

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.here}"


@contextlib.contextmanager
def leading_to(port: int) -> Iterator[Way]:
    way = Way(port)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30

        def _hand_on(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = Request(self.command, self.path, self.rfile.read(size), headers)
            request = way.on_request(asked)
            reply = self._reply_to(request) if isinstance(request, Request) else request
            reply = reply and way.on_reply(asked, reply)
            if reply is None:
                self.close_connection = True
                return
            self.send_response_only(reply.status)
            for name, value in reply.headers:
                self.send_header(name, value)
            if self.command != "HEAD":
                self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body[: reply.cut])
            self.close_connection |= reply.cut is not None

        def _reply_to(self, request: Request) -> Reply | None:
            connection = http.client.HTTPConnection("127.0.0.1", way.port, timeout=30)
            dropped = {"content-length", "expect", "connection"}
            headers = {name: value for name, value in request.headers.items() if name not in dropped}
            with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
                connection.request(request.method, request.path, request.body, headers)
                answer = connection.getresponse()
                kept = [
                    (name, value)
                    for name, value in answer.getheaders()
                    if name.lower() not in {"connection", "transfer-encoding", "date", "server"}
                    and (name.lower() != "content-length" or request.method == "HEAD")
                ]
                return Reply(answer.status, kept, answer.read())
            return None

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _hand_on  # noqa: N815 - as http.server calls them

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as in http.server
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        # So that closing it waits for all of them.
        daemon_threads = False

        def process_request(self, request: socket.socket | tuple[bytes, socket.socket], client_address: Any) -> None:
            assert isinstance(request, socket.socket)
            connections.append(request)
            super().process_request(request, client_address)

    connections: list[socket.socket] = []
    server = Server(("127.0.0.1", 0), Handler)
    way.here = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield way
    finally:
        server.shutdown()
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        server.server_close()
        thread.join()
