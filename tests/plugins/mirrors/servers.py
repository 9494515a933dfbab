"""Debian's sshd and rsync's daemon for a test: on free high ports of loopback, each with all it keeps in one folder."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.plugins.targets.smb.samba import free_port

PASSWORD = "canary-5Hv8"
PATIENCE = 30


@dataclass
class Server:
    """One that listens on a port. `root` is what it serves."""

    folder: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self.root.mkdir(parents=True)

    @property
    def root(self) -> Path:
        return self.folder / "root"

    @property
    def log(self) -> Path:
        return self.folder / "log"

    def command(self) -> Sequence[str]:
        raise NotImplementedError

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until = time.monotonic() + PATIENCE
        while not self._listens():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < until, self.log.read_text()
            time.sleep(0.02)

    def kill(self) -> None:
        """Kill it and all that it has begun, at one blow."""
        process, self.process = self.process, None
        if process is not None:
            for pid in [*_below(process.pid), process.pid]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            process.wait(PATIENCE)

    def _listens(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return False


@dataclass
class Sshd(Server):
    """It lets in who has the key `identity`; `known_hosts` has its own key, for itself and for the ports `also`."""

    def __post_init__(self) -> None:
        super().__post_init__()
        Path("/run/sshd").mkdir(exist_ok=True)
        for name in ("host", "identity", "stranger"):
            self.make_key(name)
        (self.folder / "authorized_keys").write_text((self.folder / "identity.pub").read_text())
        self.know(self.port)
        (self.folder / "sshd_config").write_text(
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {self.folder}/host\nPidFile none\n"
            f"AuthorizedKeysFile {self.folder}/authorized_keys\nStrictModes no\nUsePAM no\nPermitRootLogin yes\n"
            "PasswordAuthentication no\nSubsystem sftp internal-sftp\n"
        )

    @property
    def identity(self) -> Path:
        return self.folder / "identity"

    @property
    def known_hosts(self) -> Path:
        return self.folder / "known_hosts"

    def make_key(self, name: str) -> None:
        path = self.folder / name
        path.unlink(missing_ok=True)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)

    def know(self, *ports: int) -> None:
        """Write the host's key down for these ports."""
        words = (self.folder / "host.pub").read_text().split()[:2]
        self.known_hosts.write_text("".join(f"[127.0.0.1]:{port} {' '.join(words)}\n" for port in ports))

    def command(self) -> Sequence[str]:
        return ["/usr/sbin/sshd", "-D", "-e", "-f", str(self.folder / "sshd_config")]


@dataclass
class Daemon(Server):
    """rsync's own, with the module `backups` for the user `vmbackup`."""

    def __post_init__(self) -> None:
        super().__post_init__()
        secrets = self.folder / "secrets"
        secrets.write_text(f"vmbackup:{PASSWORD}\n")
        secrets.chmod(0o600)
        (self.folder / "rsyncd.conf").write_text(
            f"port = {self.port}\naddress = 127.0.0.1\npid file = {self.folder}/pid\nuse chroot = no\n"
            f"log file = {self.folder}/rsyncd.log\nuid = {os.getuid()}\ngid = {os.getgid()}\n"
            f"[backups]\npath = {self.root}\nread only = no\nauth users = vmbackup\nsecrets file = {secrets}\n"
        )

    def start(self) -> None:
        (self.folder / "pid").unlink(missing_ok=True)
        super().start()

    def command(self) -> Sequence[str]:
        return ["rsync", "--daemon", "--no-detach", f"--config={self.folder}/rsyncd.conf"]


@contextlib.contextmanager
def running(server: Sshd | Daemon) -> Iterator[Sshd | Daemon]:
    server.start()
    try:
        yield server
    finally:
        server.kill()


def _below(pid: int) -> Iterator[int]:
    """Yield the processes that a process has begun, and theirs."""
    with contextlib.suppress(FileNotFoundError):
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            yield from _below(int(child))
            yield int(child)
