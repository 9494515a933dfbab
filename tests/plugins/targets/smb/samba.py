"""Debian's smbd for a test: on a free high port of loopback, with all that it keeps in a folder of its own."""

import contextlib
import os
import pwd
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

PASSWORD = "canary-9Zt3"
USER = pwd.getpwuid(os.getuid()).pw_name
PATIENCE = 30
_FOLDERS = ("private", "lock", "state", "cache", "pid", "ncalrpc", "log", "share")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@dataclass
class Samba:
    """A server with the shares `backups`, and `readonly`, which is the same folder."""

    folder: Path
    options: Mapping[str, str] = field(default_factory=dict)
    share_options: Mapping[str, str] = field(default_factory=dict)
    size: str | None = None
    """Of the share's file system, as tmpfs counts; None for a folder of this machine."""
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None
    # A client may hear of the server's death before the one who kills it has done so.
    _changing: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        for name in _FOLDERS:
            (self.folder / name).mkdir(parents=True)
        self._configure()
        subprocess.run(
            ["smbpasswd", "-c", str(self._config), "-a", "-s", USER],
            input=f"{PASSWORD}\n{PASSWORD}\n".encode(),
            check=True,
            capture_output=True,
        )

    @property
    def share(self) -> Path:
        """The folder that is shared; empty here if the share has a file system of its own."""
        return self.folder / "share"

    @property
    def log(self) -> Path:
        return self.folder / "log" / "smbd"

    @property
    def _config(self) -> Path:
        return self.folder / "smb.conf"

    def start(self) -> None:
        """Start it, and wait until it listens."""
        options = ["--foreground", "--no-process-group", "--debug-stdout", "-d0"]
        command = ["smbd", *options, f"--configfile={self._config}"]
        if self.size:
            # The mount is seen by the server alone, and goes with it.
            mount = f'mount -t tmpfs -o size={self.size},mode=1777 none "$0" && exec "$@"'
            command = ["unshare", "--mount", "sh", "-c", mount, str(self.share), *command]
        with self._changing:
            with self.log.open("ab") as log:
                # A group of its own, so that killing it takes the processes of its clients along.
                self.process = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
                )
            self._wait(listening=True)

    def stop(self) -> None:
        """Kill the server and the processes of all its clients, at one blow."""
        with self._changing:
            process, self.process = self.process, None
            if process is not None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(PATIENCE)
                # Its children hold the port a moment longer.
                self._wait(listening=False)

    def send_signal(self, number: signal.Signals) -> None:
        """Freeze it with SIGSTOP, let it go on with SIGCONT."""
        assert self.process is not None
        os.killpg(self.process.pid, number)

    def files(self) -> set[str]:
        """All below the share."""
        return {path.relative_to(self.share).as_posix() for path in self.share.rglob("*")}

    def _wait(self, *, listening: bool) -> None:
        until = time.monotonic() + PATIENCE
        while self._listens() != listening:
            assert self.process is None or self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < until, self.log.read_text()
            time.sleep(0.02)

    def _listens(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return False

    def _configure(self) -> None:
        options = {
            "server role": "standalone server",
            "smb ports": str(self.port),
            "interfaces": "127.0.0.1",
            "bind interfaces only": "yes",
            "disable netbios": "yes",
            "server signing": "mandatory",
            "private dir": str(self.folder / "private"),
            "lock directory": str(self.folder / "lock"),
            "state directory": str(self.folder / "state"),
            "cache directory": str(self.folder / "cache"),
            "pid directory": str(self.folder / "pid"),
            "ncalrpc dir": str(self.folder / "ncalrpc"),
            "passdb backend": f"tdbsam:{self.folder}/private/passdb.tdb",
            "load printers": "no",
            "printcap name": "/dev/null",
            "disable spoolss": "yes",
            "map to guest": "never",
            **self.options,
        }
        shared = {"path": str(self.share), "read only": "no", **self.share_options}
        sections = {"global": options, "backups": shared, "readonly": {**shared, "read only": "yes"}}
        self._config.write_text("".join(_section(name, lines) for name, lines in sections.items()))


@contextlib.contextmanager
def running(server: Samba) -> Iterator[Samba]:
    server.start()
    try:
        yield server
    finally:
        server.stop()


def _section(name: str, lines: Mapping[str, str]) -> str:
    return f"[{name}]\n" + "".join(f" {key} = {value}\n" for key, value in lines.items())
