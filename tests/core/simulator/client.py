"""A plain client for the simulator's tests: sockets and the standard library, nothing of ours."""

import socket
import ssl
import time
import xmlrpc.client
from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from vmbackup.simulator import Simulator


class Refused(Exception):
    """XAPI's error: its `details` are the code and the parameters."""

    def __init__(self, details: list[str]) -> None:
        super().__init__(details)
        self.details = details


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer as it came over the wire; `reset` when it ended with a RST."""

    status: str
    headers: Mapping[str, str]
    body: bytes
    reset: bool


class Client:
    """Logs in and speaks RPC and HTTP, a connection for each request."""

    def __init__(
        self,
        sim: Simulator,
        *,
        tls: bool = False,
        user: tuple[str, str] = ("root", "simulated"),
        originator: str = "tests",
    ) -> None:
        self.address = _address(sim.url)
        self.context = ssl.create_default_context(cafile=sim.certificate) if tls else None
        self.session = self.bare("session.login_with_password", *user, "1.0", originator)

    def at(self, url: str) -> "Client":
        """Give a client with the same session that asks another host."""
        other = copy(self)
        other.address = _address(url)
        return other

    def connect(self) -> socket.socket:
        raw = socket.create_connection(self.address, timeout=20)
        return raw if self.context is None else self.context.wrap_socket(raw, server_hostname="localhost")

    def send(self, data: bytes) -> Reply:
        """Send bytes and read to the end of the stream."""
        with self.connect() as connection:
            reset = False
            try:
                connection.sendall(data)
            except (BrokenPipeError, ConnectionResetError):
                reset = True
            received = bytearray()
            try:
                while piece := connection.recv(1 << 20):
                    received += piece
            except ConnectionResetError:
                reset = True
        head, _, body = bytes(received).partition(b"\r\n\r\n")
        status, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        return Reply(status, headers, body, reset)

    def get(self, path: str, headers: str = "", **query: str) -> Reply:
        return self.send(f"GET {_target(path, query)} HTTP/1.1\r\n{headers}\r\n".encode())

    def put(self, path: str, body: bytes, headers: str = "", **query: str) -> Reply:
        length = f"Content-Length: {len(body)}\r\n"
        return self.send(f"PUT {_target(path, query)} HTTP/1.0\r\n{length}{headers}\r\n".encode() + body)

    def rpc(self, body: bytes) -> Reply:
        return self.send(b"POST / HTTP/1.0\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    def bare(self, method: str, *params: Any) -> Any:  # what an RPC gives is known to the test alone
        reply = self.rpc(xmlrpc.client.dumps(params, method, allow_none=True).encode())
        assert reply.status.endswith("200 OK"), reply
        ((result,), _) = xmlrpc.client.loads(reply.body)
        assert isinstance(result, dict)
        if result["Status"] == "Failure":
            raise Refused(result["ErrorDescription"])
        return result["Value"]

    def __call__(self, method: str, *params: Any) -> Any:  # what an RPC gives is known to the test alone
        return self.bare(method, self.session, *params)

    def start(self, vm: str) -> None:
        not_paused = not_forced = False
        self("VM.start", vm, not_paused, not_forced)

    def set_is_a_template(self, vm: str, *, value: bool) -> None:
        self("VM.set_is_a_template", vm, value)

    def task(self) -> str:
        ref: str = self("task.create", "a task", "of a test")
        return ref

    def wait(self, task: str) -> dict[str, Any]:
        deadline = time.monotonic() + 20
        while (record := self("task.get_record", task))["status"] == "pending":
            assert time.monotonic() < deadline, record
            time.sleep(0.01)
        assert isinstance(record, dict)
        return record

    def booted(self, vm: str) -> dict[str, Any]:
        """Wait until the guest of a VM reports; gives its metrics."""
        deadline = time.monotonic() + 20
        while (guest := self("VM.get_guest_metrics", vm)) == "OpaqueRef:NULL":
            assert time.monotonic() < deadline
            time.sleep(0.01)
        record = self("VM_guest_metrics.get_record", guest)
        assert isinstance(record, dict)
        return record

    def vm(self, uuid: str) -> str:
        ref: str = self("VM.get_by_uuid", uuid)
        return ref

    def disks(self, vm: str) -> list[dict[str, Any]]:
        """Give the records of a VM's disks in order of their drives, `ref` added."""
        drives = [self("VBD.get_record", vbd) for vbd in self("VM.get_VBDs", vm)]
        disks = sorted((d for d in drives if d["type"] == "Disk"), key=lambda drive: int(drive["userdevice"]))
        return [{**self("VDI.get_record", drive["VDI"]), "ref": drive["VDI"]} for drive in disks]

    def export(self, vm: str, **query: str) -> tuple[Reply, dict[str, Any]]:
        """Export under a task; gives the reply and the task's record once it is no longer pending."""
        task = self.task()
        reply = self.get("/export", session_id=self.session, task_id=task, ref=vm, **query)
        return reply, self.wait(task)


def _address(url: str) -> tuple[str, int]:
    split = urlsplit(url)
    assert split.hostname is not None
    assert split.port is not None
    return split.hostname, split.port


def _target(path: str, query: Mapping[str, str]) -> str:
    return path + ("?" + "&".join(f"{key}={quote(value, safe='')}" for key, value in query.items()) if query else "")
