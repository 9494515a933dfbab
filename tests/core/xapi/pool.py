"""A simulated pool, a session with it, and servers that misbehave: what the tests of the client talk to."""

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from vmbackup.journal import Journal
from vmbackup.models import VM
from vmbackup.simulator import Simulator
from vmbackup.simulator.database import Record
from vmbackup.xapi.inventory import read_inventory, read_pool
from vmbackup.xapi.session import Session
from vmbackup.xapi.transfers import Request, download
from vmbackup.xapi.trust import Address, Trust

MIB = 1 << 20
RUN = "0123456789abcdef"


def login(sim: Simulator, url: str | None = None, *, password: str | None = None) -> Session:
    """A session with a pool over plain HTTP, not yet entered; `url` is that of a server in between."""
    return Session(
        Address.parse(url or sim.url), Trust(), sim.username, password or sim.password, originator="vmbackup-test"
    )


def begin(folder: Path) -> Journal:
    return Journal.begin(folder, RUN, "f00d")


def vm_called(session: Session, name: str) -> VM:
    """A VM as the inventory has it."""
    (found,) = [vm for vm in read_inventory(session, read_pool(session)).vms if vm.name == name]
    return found


def state(sim: Simulator) -> dict[str, dict[str, Record]]:
    """What the pool holds, without what it says of its operations and of the storage that is used."""
    passing = {"allowed_operations", "current_operations", "physical_utilisation", "virtual_allocation"}
    return {
        name: {
            ref: {key: value for key, value in record.items() if key not in passing}
            for ref, record in sim.records(name).items()
        }
        for name in ("VM", "VBD", "VDI", "SR", "VIF", "task")
    }


def settled(sim: Simulator, expected: dict[str, dict[str, Record]]) -> bool:
    """Whether the pool comes to hold what is expected: a handler whose client is gone needs a moment."""
    deadline = time.monotonic() + 10
    while state(sim) != expected:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def export(session: Session, journal: Journal, ref: str, **query: str) -> bytes:
    """The whole image of a VM or snapshot."""
    with download(session, journal, Request("/export", {"ref": ref, **query}, "export of a test")) as stream:
        data = b"".join(stream.pieces())
        stream.finish()
    return data


class Server:
    """Listens on loopback and gives every connection to a function, each in a thread of its own."""

    def __init__(self, serve: Callable[[socket.socket], None], tls: ssl.SSLContext | None = None) -> None:
        self._serve = serve
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self._connections: list[socket.socket] = []
        self.host, self.port = self._listener.getsockname()
        self.url = f"{'https' if tls else 'http'}://{self.host}:{self.port}"

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def _start(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._connections.append(connection)
                self._start(lambda connection=connection: self._one(connection))  # type: ignore[misc]

    def _one(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            stack.enter_context(connection)
            if self._tls:
                connection = stack.enter_context(self._tls.wrap_socket(connection, server_side=True))
            self._serve(connection)


def read_request(connection: socket.socket) -> bytes:
    """One request with its body; b"" at the end of the connection."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(1 << 16)
        if not piece:
            return b""
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    while len(body) < sum(lengths):
        body += connection.recv(1 << 16)
    return head + b"\r\n\r\n" + body


def answer(body: str, status: str = "200 OK") -> bytes:
    """An HTTP answer."""
    data = body.encode()
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(data)}\r\nConnection: close\r\n\r\n".encode() + data


def answering(reply: bytes) -> Callable[[socket.socket], None]:
    """What reads one request and gives it this answer."""

    def serve(connection: socket.socket) -> None:
        if read_request(connection):
            connection.sendall(reply)

    return serve


class Tap:
    """Stands between client and simulator and remembers what the client sends.

    Streams, that is GET and PUT, get the answer `refusal` instead, if there is one.
    """

    def __init__(self, sim: Simulator, refusal: bytes = b"") -> None:
        split = urlsplit(sim.url)
        self._address = (split.hostname, split.port)
        self._refusal = refusal
        self._sent: list[bytearray] = []

    def serve(self, connection: socket.socket) -> None:
        sent = bytearray()
        self._sent.append(sent)
        with socket.create_connection(self._address) as pool:
            back = threading.Thread(target=_pump, args=(pool, connection), daemon=True)
            back.start()
            while piece := connection.recv(1 << 16):
                sent += piece
                if self._refusal and not sent.startswith(b"POST"):
                    connection.sendall(self._refusal)
                    break
                pool.sendall(piece)
            pool.shutdown(socket.SHUT_RDWR)
            back.join()

    @property
    def calls(self) -> int:
        """How many calls have been made."""
        return sum(bytes(sent).count(b"<methodCall>") for sent in self._sent)

    @property
    def heads(self) -> list[str]:
        """The heads of the requests that ask for a stream, and the request lines of all the others."""
        found = []
        for sent in self._sent:
            for part in bytes(sent).split(b"POST /"):
                streams = part.startswith((b"GET", b"PUT"))
                found.append(part.split(b"\r\n\r\n" if streams else b"\r\n")[0].decode())
        return [head for head in found if head]


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(1 << 16):
            sink.sendall(piece)
        sink.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def tapped(sim: Simulator, refusal: bytes = b"") -> Iterator[tuple[Tap, str]]:
    """A tap before a simulator, and its URL."""
    tap = Tap(sim, refusal)
    with Server(tap.serve) as server:
        yield tap, server.url
