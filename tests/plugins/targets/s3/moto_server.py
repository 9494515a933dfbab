"""moto's S3 for a test: AWS as its documents tell it, in a process of its own, on a free port of loopback."""

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.plugins.targets.smb.samba import free_port

ACCESS_KEY, SECRET_KEY = "access-3Kd8", "canary-5Rw2"
PATIENCE = 30


@dataclass
class Moto:
    """A server, which takes any key. `tls` are its certificate and key."""

    log: Path
    tls: Sequence[Path] = ()
    port: int = field(default_factory=free_port)

    @property
    def endpoint(self) -> str:
        return f"http{'s' if self.tls else ''}://127.0.0.1:{self.port}"


@contextlib.contextmanager
def running(server: Moto) -> Iterator[Moto]:
    """Start it, wait until it listens, and kill it at the end."""
    secure = ["-s", "-c", str(server.tls[0]), "-k", str(server.tls[1])] if server.tls else []
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(server.port), *secure]
    with server.log.open("ab") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        until = time.monotonic() + PATIENCE
        while not listens(server.port):
            assert process.poll() is None, server.log.read_text()
            assert time.monotonic() < until, server.log.read_text()
            time.sleep(0.05)
        yield server
    finally:
        process.kill()
        process.wait(PATIENCE)


def listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
