"""ngIRCd on loopback, and somebody in its channel who listens."""

import contextlib
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

CHANNEL = "#backups"
CONFIG = """
[Global]
Name = irc.test.local
Listen = 127.0.0.1
Ports = {port}
ServerGID = {group}
ServerUID = {group}
[Options]
PAM = no
DNS = no
Ident = no
"""


class Listener:
    """Somebody in the channel."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._lines = connection.makefile("r", encoding="utf-8", newline="\r\n")
        self._say("NICK listener", "USER listener 0 * :listener")
        self._until(" 001 ")
        self._say(f"JOIN {CHANNEL}")
        self._until(" 366 ")

    def hears(self, last: str) -> list[str]:
        """What is said in the channel, up to a line with `last` in it."""
        heard: list[str] = []
        while not heard or last not in heard[-1]:
            line = self._until("PRIVMSG")
            heard.append(line.partition(f"PRIVMSG {CHANNEL} :")[2])
        return heard

    def close(self) -> None:
        self._lines.close()
        self._connection.close()

    def _say(self, *lines: str) -> None:
        self._connection.sendall("".join(f"{line}\r\n" for line in lines).encode())

    def _until(self, mark: str) -> str:
        while mark not in (line := self._lines.readline()):
            assert line, "the server has hung up"
            if line.startswith("PING"):
                self._say(line.strip().replace("PING", "PONG", 1))
        return line.strip()


@contextlib.contextmanager
def irc(folder: Path) -> Iterator[tuple[int, Listener]]:
    """Run a server in a folder; its port, and somebody who listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = folder / "ngircd.conf"
    config.write_text(CONFIG.format(port=port, group="nogroup").replace("ServerUID = nogroup", "ServerUID = nobody"))
    with (folder / "ngircd.log").open("w") as log:
        server = subprocess.Popen(["ngircd", "-n", "-f", str(config)], stdout=log, stderr=log)
    try:
        listener = Listener(_connected(server, port))
        with contextlib.closing(listener):
            yield port, listener
    finally:
        server.terminate()
        server.wait(20)


def _connected(server: subprocess.Popen[bytes], port: int) -> socket.socket:
    while server.poll() is None:
        with contextlib.suppress(ConnectionRefusedError):
            return socket.create_connection(("127.0.0.1", port), timeout=60)
    raise AssertionError(f"ngircd has ended with {server.returncode}")
