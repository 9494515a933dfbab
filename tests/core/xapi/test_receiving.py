"""Large reads over TLS: whole, in order, never more waiting than a read asks for, and with the ends as they come."""

import random
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from urllib3.exceptions import HTTPError
from urllib3.response import BaseHTTPResponse

from vmbackup.simulator.certificate import ensure_certificate, server_context
from vmbackup.xapi.receiving import LARGE, GreedyPool

HEAD = b"HTTP/1.0 200 OK\r\nConnection: close\r\n\r\n"
CONTENT = random.Random(7).randbytes(5 * LARGE + 12_345)
Send = Callable[[ssl.SSLSocket], None]


@contextmanager
def asked(tmp_path: Path, send: Send, seconds: float = 20) -> Iterator[BaseHTTPResponse]:
    """Ask a server that answers by `send`."""
    certificate = tmp_path / "server.pem"
    ensure_certificate(certificate, "xen1", "127.0.0.1")
    context = server_context(certificate)

    def serve(listener: socket.socket) -> None:
        plain, _ = listener.accept()
        with plain, context.wrap_socket(plain, server_side=True) as secure:
            secure.recv(4096)
            send(secure)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        port = listener.getsockname()[1]
        pool = GreedyPool("127.0.0.1", port, ca_certs=str(certificate), timeout=seconds, retries=False)
        try:
            yield pool.urlopen("GET", "/", preload_content=False, decode_content=False)
        finally:
            pool.close()
            thread.join()


@pytest.mark.parametrize("piece", [1, 100, LARGE - 1, LARGE, LARGE + 1, 1 << 20])
def test_what_is_sent_arrives_whole_whatever_is_asked_for(tmp_path: Path, piece: int) -> None:
    size = min(len(CONTENT), piece * 500)

    def send(secure: ssl.SSLSocket) -> None:
        secure.sendall(HEAD + CONTENT[:3000])
        for start in range(3000, size, 10_000):
            secure.sendall(CONTENT[start : min(size, start + 10_000)])

    with asked(tmp_path, send) as response:
        pieces = list(response.stream(piece, decode_content=False))
    assert b"".join(pieces) == CONTENT[:size] if size >= 3000 else b"".join(pieces) == CONTENT[:3000]
    assert {len(one) for one in pieces[:-1]} <= {piece}


def test_the_first_byte_is_had_while_the_second_has_not_come(tmp_path: Path) -> None:
    go = threading.Event()

    def send(secure: ssl.SSLSocket) -> None:
        secure.sendall(HEAD + b"a")
        assert go.wait(20)
        secure.sendall(b"b")

    with asked(tmp_path, send) as response:
        assert response.read(1, decode_content=False) == b"a"
        go.set()
        assert response.read(1 << 20, decode_content=False) == b"b"


def test_a_cut_in_mid_piece_gives_what_came_before_it(tmp_path: Path) -> None:
    with asked(tmp_path, lambda secure: secure.sendall(HEAD + CONTENT[: LARGE + 5])) as response:
        assert response.read(1 << 20, decode_content=False) == CONTENT[: LARGE + 5]
        assert response.read(1 << 20, decode_content=False) == b""


def test_silence_in_mid_piece_ends_by_the_time_limit(tmp_path: Path) -> None:
    go = threading.Event()

    def send(secure: ssl.SSLSocket) -> None:
        secure.sendall(HEAD + CONTENT[:LARGE])
        go.wait(20)

    with asked(tmp_path, send, seconds=0.5) as response:
        with pytest.raises(HTTPError, match="timed out"):
            response.read(1 << 20, decode_content=False)
        go.set()


def test_a_reader_that_another_thread_wakes_comes_to_an_end(tmp_path: Path) -> None:
    go = threading.Event()

    def send(secure: ssl.SSLSocket) -> None:
        secure.sendall(HEAD + CONTENT[:LARGE])
        go.wait(20)

    with asked(tmp_path, send) as response:
        assert response.read(1, decode_content=False)
        threading.Timer(0.3, response.shutdown).start()
        assert len(response.read(1 << 20, decode_content=False)) < LARGE
        go.set()
