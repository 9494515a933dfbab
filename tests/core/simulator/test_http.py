import select
import socket
import time
from pathlib import Path

import pytest
from tests.core.simulator.client import Client

from vmbackup.simulator import Simulator

LIST_METHODS = b"<methodCall><methodName>system.listMethods</methodName></methodCall>"


def post(body: bytes, version: str = "1.0", path: str = "/") -> bytes:
    return f"POST {path} HTTP/{version}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


@pytest.mark.parametrize("path", ["/", "/RPC2", "/RPC2anything", "/?x=y", "/xmlrpc", "/json"])
def test_rpc_is_answered_at_its_paths_by_prefix(xapi: Client, path: str) -> None:
    reply = xapi.send(post(LIST_METHODS, path=path))
    assert reply.status == "HTTP/1.0 200 OK"
    assert reply.headers["content-type"] == "text/xml"
    assert reply.headers["connection"] == "close"
    assert reply.headers["access-control-allow-origin"] == "*"
    assert int(reply.headers["content-length"]) == len(reply.body)
    assert reply.body.startswith(b'<?xml version="1.0"?><methodResponse><params><param><value><array><data><value>')
    assert b"<value>VM.snapshot</value>" in reply.body


def test_a_connection_of_http_1_1_is_kept_alive(xapi: Client) -> None:
    with xapi.connect() as connection, connection.makefile("rb") as answers:
        for closing in (False, True):
            extra = b"Connection: close\r\n" if closing else b""
            request = b"POST / HTTP/1.1\r\nContent-Length: %d\r\n%s\r\n" % (len(LIST_METHODS), extra)
            connection.sendall(request + LIST_METHODS)
            assert answers.readline() == b"HTTP/1.1 200 OK\r\n"
            headers = dict(line.split(b": ") for line in iter(lambda: answers.readline().strip(), b""))
            assert headers[b"connection"] == (b"close" if closing else b"keep-alive")
            answers.read(int(headers[b"content-length"]))
        assert answers.read() == b""


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"DELETE / HTTP/1.1\r\n\r\n", "501"),
        (b"HEAD /export HTTP/1.1\r\n\r\n", "501"),
        (b"GET /nothing HTTP/1.1\r\n\r\n", "404"),
        (b"PUT /nothing HTTP/1.1\r\n\r\n", "403"),
        (b"POST /nothing HTTP/1.1\r\n\r\n", "500"),
        (b"nonsense\r\n\r\n", "400"),
        (b"POST / HTTP/1.1\r\n\r\n", "500"),
        (post(b"no xml"), "500"),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "500"),
        (b"GET / HTTP/1.1\r\nCookie: " + b"x" * 1100 + b"\r\n\r\n", "431"),
        (b"GET /" + b"x" * 5000, "431"),
    ],
)
def test_what_is_not_understood_gets_its_status(xapi: Client, request_bytes: bytes, status: str) -> None:
    assert xapi.send(request_bytes).status.split()[1] == status


def test_the_longest_path_wins_so_that_metadata_is_not_taken_for_an_image(xapi: Client) -> None:
    assert 'realm="get_export"' in xapi.get("/exportXYZ").headers["www-authenticate"]
    assert 'realm="get_export_metadata"' in xapi.get("/export_metadataX").headers["www-authenticate"]


def test_a_body_of_more_than_300_kib_is_refused(xapi: Client) -> None:
    filled = LIST_METHODS.replace(b"</methodCall>", b"<params/></methodCall>")
    exact = filled + b" " * (300 * 1024 - len(filled))
    assert xapi.send(post(exact)).status.split()[1] == "200"
    too_long = b"POST / HTTP/1.0\r\nContent-Length: %d\r\n\r\n" % (300 * 1024 + 1)
    assert xapi.send(too_long).status.split()[1] == "500"


@pytest.mark.parametrize(("pause", "patience"), [(2.0, 0.5), (0.05, 3.0)])
def test_a_head_that_is_not_finished_in_time_is_refused(tmp_path: Path, pause: float, patience: float) -> None:
    """Say nothing more for too long, or a little all the time but for too long altogether."""
    with (
        Simulator(tmp_path, tls=False, head_seconds=0.5) as sim,
        Client(sim).connect() as connection,
        connection.makefile("rb") as answer,
    ):
        time.sleep(0.6)  # before the first byte there is no hurry
        began, said = time.monotonic(), 0
        while said < 200:
            connection.sendall(b"G")
            said += 1
            if select.select([connection], [], [], pause)[0]:
                break
        assert time.monotonic() - began >= patience
        assert answer.readline() == b"HTTP/1.1 408 Request Timeout\r\n"
        assert said == 1 if pause > patience else 1 < said < 200


def test_stopping_ends_every_connection(sim: Simulator) -> None:
    idle = socket.create_connection(Client(sim).address, timeout=5)
    with idle:
        time.sleep(0.05)
        started = time.monotonic()
        sim.stop()
        assert idle.recv(1) == b""
        assert time.monotonic() - started < 2
