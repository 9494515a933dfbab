"""A web server on loopback that keeps what it is sent."""

import ssl
import threading
from dataclasses import dataclass
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self


@dataclass(frozen=True)
class Request:
    path: str
    headers: Message
    body: bytes


class WebServer(ThreadingHTTPServer):
    """Answers 200, or what `answers` holds, each once; below `/lost` always 404.

    As a proxy it is itself whatever host is asked for, with the certificate in `behind`.
    """

    def __init__(self, tls: ssl.SSLContext | None = None, behind: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.got: list[Request] = []
        self.answers: list[int] = []
        self.asked_for: list[str] = []
        self.behind = behind
        # Whoever clears `held` has the answers wait until it is set; `asked` is set by a question.
        self.asked, self.held = threading.Event(), threading.Event()
        self.held.set()
        self._scheme = "https" if tls else "http"
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_side=True)
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def url(self, path: str = "/", login: str = "") -> str:
        return f"{self._scheme}://{login}127.0.0.1:{self.server_port}{path}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Whoever does not trust us hangs up."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown()
        self._thread.join(10)
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: WebServer

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append(Request(self.path, self.headers, body))
        self.server.asked.set()
        self.server.held.wait(100)
        status = self.server.answers.pop(0) if self.server.answers else 200
        self.send_response(404 if self.path.startswith("/lost") else status)
        self.send_header("Location", self.server.url("/elsewhere"))
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def do_CONNECT(self) -> None:
        self.server.asked_for.append(self.path)
        assert self.server.behind is not None
        self.send_response_only(200)
        self.end_headers()
        with self.server.behind.wrap_socket(self.connection, server_side=True) as inner:
            self.rfile, self.wfile = inner.makefile("rb"), inner.makefile("wb")
            self.handle_one_request()
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass
