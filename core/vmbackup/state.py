"""What an installation keeps: who it is, a lock for each job, the journals, and what waits for a target or a reader."""

import contextlib
import fcntl
import json
import os
import socket
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from vmbackup.errors import ConfigError, LockHeld
from vmbackup.keys import check_key, slug
from vmbackup.writing import writable


@dataclass(frozen=True, slots=True)
class Installation:
    """This installation: an id that is made once, the host it runs on, and that host's present boot."""

    id: str
    host: str
    boot_id: str


class State:
    """The state folder, made on first use, readable by its owner only."""

    def __init__(self, folder: Path) -> None:
        """`folder` is absolute. Raises ConfigError where it cannot be made."""
        self.folder = folder
        try:
            for name in ("", "journal", "locks", "waiting", "spool"):
                (folder / name).mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                f"{folder}: the state folder cannot be made: {error.strerror}",
                advice="Name another with --state or the environment variable VMBACKUP_STATE.",
            ) from error

    @property
    def journals(self) -> Path:
        """Where the journals of runs lie."""
        return self.folder / "journal"

    @property
    def waiting(self) -> Path:
        """Where records of runs wait while their target is away."""
        return self.folder / "waiting"

    @property
    def spool(self) -> Path:
        """Where reports wait that a notifier could not tell."""
        return self.folder / "spool"

    @property
    def verdicts(self) -> Path:
        """Where it stands for each job what its last run came to, for those who are told of changes alone."""
        return self.folder / "verdicts"

    def members(self, host: str) -> tuple[str, ...]:
        """Return the addresses of the pool that was last seen behind `host`, as a way in when that one is down."""
        try:
            known = json.loads((self.folder / "members" / f"{slug(host)}.json").read_bytes())
        except (OSError, ValueError):
            return ()
        return tuple(str(address) for address in known) if isinstance(known, list) else ()

    def remember_members(self, host: str, members: Iterable[str]) -> None:
        """Remember the addresses of the pool behind `host`; where they cannot be written, nothing is remembered."""
        path = self.folder / "members" / f"{slug(host)}.json"
        fresh = path.with_suffix(f".{uuid.uuid4().hex}")
        try:
            path.parent.mkdir(mode=0o700, exist_ok=True)
            write_flushed(fresh, json.dumps(sorted(members)).encode())
            fresh.replace(path)
        except OSError:
            with contextlib.suppress(OSError):
                fresh.unlink()

    def installation(self) -> Installation:
        """Return who this installation is; the first call decides it, also when several make it at once."""
        path = self.folder / "installation.json"
        if not path.exists():
            made = str(uuid.uuid4())
            fresh = path.with_name(f"installation.{made}.new")
            with writable(fresh):
                write_flushed(fresh, json.dumps({"id": made}).encode())
            with contextlib.suppress(FileExistsError):
                os.link(fresh, path)
            fresh.unlink()
        try:
            identity = str(json.loads(path.read_bytes())["id"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ConfigError(f"{path}: not readable as the id of this installation: {error}") from error
        return Installation(identity, socket.gethostname(), _boot_id())

    @contextlib.contextmanager
    def lock(self, name: str, what: str = "") -> Iterator[None]:
        """Hold the lock of that name, for a run of the job of that name unless `what` says otherwise.

        Raises LockHeld, naming the holder, if another process has it, ConfigError where the file cannot be made.
        """
        path = self.folder / "locks" / f"{check_key(name)}.lock"
        with writable(path):
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "r+b", buffering=0) as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = file.read().decode(errors="replace").strip() or "an unknown process"
                raise LockHeld(
                    f"another {what or f'run of the job {name!r}'} is under way: {holder}",
                    advice="Wait for it, or end it.",
                ) from None
            file.truncate(0)
            holder = f"process {os.getpid()} on {socket.gethostname()} since {datetime.now(UTC):%Y-%m-%d %H:%M:%SZ}\n"
            # The lock is held in any case; on a full disk nobody is told by whom.
            with contextlib.suppress(OSError):
                file.write(holder.encode())
            try:
                yield
            finally:
                file.truncate(0)

    def holder(self, name: str) -> str:
        """Return who holds the lock of that name, or "" where nobody does; without touching the lock.

        To try whether it is free would be to hold it for a moment, and a run that begins just then would give up.
        """
        path = self.folder / "locks" / f"{check_key(name)}.lock"
        try:
            lines = Path("/proc/locks").read_text(encoding="ascii").splitlines()
            if any("FLOCK" in line and f":{path.stat().st_ino} " in line for line in lines):
                return path.read_text(encoding="utf-8").strip() or "an unknown process"
        except FileNotFoundError:
            return ""
        return ""


def default_folder() -> Path:
    """Return the state folder of whoever runs this: the system's for root, else the user's own."""
    if chosen := os.environ.get("VMBACKUP_STATE"):
        return Path(chosen).absolute()
    if os.geteuid() == 0:
        return Path("/var/lib/vmbackup")
    home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(home).absolute() / "vmbackup"


def write_flushed(path: Path, data: bytes) -> None:
    """Write a new file for its owner only, on the disk when this returns."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""
