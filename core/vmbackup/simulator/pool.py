"""The simulated pool: its records, disks, guests and faults, and the settings that calls and handlers go by."""

import itertools
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from vmbackup.simulator.bootable import Bootable
from vmbackup.simulator.clock import Clock
from vmbackup.simulator.coalescing import Coalescer
from vmbackup.simulator.database import Database, Record, Touched
from vmbackup.simulator.disks import Disks
from vmbackup.simulator.errors import XapiError
from vmbackup.simulator.faults import Faults
from vmbackup.simulator.guests import Guests
from vmbackup.simulator.history import History
from vmbackup.simulator.log import Log
from vmbackup.simulator.profiles import PROFILES, Blocks, Checksum, Profile
from vmbackup.simulator.sessions import Sessions
from vmbackup.simulator.settle import settle
from vmbackup.simulator.subscriptions import Registration
from vmbackup.simulator.users import User


@dataclass(frozen=True, slots=True)
class Settings:
    """How this pool behaves; times in seconds.

    `retry_seconds`: how long a conflicting operation is retried (a real pool: 2 h, or 120 s for an export's lock).
    `coalesce_seconds`: how long after a disk is destroyed its chain is coalesced; None: only when told to.
    `progress_seconds`: how often a stream writes its progress and looks for a cancellation (a real pool: 10).
    `keepalive_seconds`: silence after which an empty chunk is sent; `keepalive_blocks`: MiB blocks before which one is
    sent in any case. `head_seconds`: how long a client may pause within the head of a request, which may take six times
    as long in all. `boot_seconds`: how long a guest takes to boot. `dhcp`: the address of a guest's first interface
    on a network that leads somewhere. `first_ref`: where the numbers of an archive's `Ref:N` start.
    """

    username: str = "root"
    password: str = "simulated"  # noqa: S105  the password of a pool that does not exist
    profile: Profile = PROFILES["xcpng83"]
    checksum: Checksum = "xxhash"
    blocks: Blocks = "raw-scan"
    keepalive_seconds: float = 5.0
    keepalive_blocks: frozenset[int] = frozenset()
    retry_seconds: float = 2.0
    coalesce_seconds: float | None = 0.0
    progress_seconds: float = 1.0
    head_seconds: float = 10.0
    boot_seconds: float = 0.2
    dhcp: str = "192.0.2.10"
    first_ref: int = 94


class RefNumbers:
    """The counter behind an archive's `Ref:N`: one for the whole process, so documents start at any number.

    Other work on a real host draws from it too; here that is so much that each document begins shortly before a power
    of ten, where the string order of the folders differs from the numerical one.
    """

    _SHORT_OF = 6
    _LAST_POWER = 10**8

    def __init__(self, first: int) -> None:
        self._next = first
        self._power = 100
        self._lock = threading.Lock()

    def document(self) -> Callable[[], int]:
        """Begin a document; the function that is returned gives its numbers."""
        with self._lock:
            start = self._next
            while self._power <= start + self._SHORT_OF:
                self._power *= 10
            # The eighth power is far enough: from there on numbers just go on growing.
            self._next = self._power - self._SHORT_OF if self._power < self._LAST_POWER else start + 1000
        numbers = itertools.count(start)
        return lambda: next(numbers)


def _tell(touched: Touched, history: History, log: Log) -> None:
    history.note(touched)
    log.note(touched)


@dataclass(slots=True)
class Pool:
    """Everything that a call or a handler needs."""

    settings: Settings
    db: Database
    disks: Disks
    bootable: Bootable
    guests: Guests
    faults: Faults
    refs: RefNumbers
    history: History
    log: Log
    clock: Clock
    users: dict[str, User]
    sessions: Sessions
    coalescer: Coalescer
    emergencies: dict[str, XapiError] = field(default_factory=dict)  # by host: what it answers instead of working
    registrations: dict[str, Registration] = field(default_factory=dict)  # by session
    dismissed: set[str] = field(default_factory=set)  # tasks that somebody destroyed, whoever still works on them
    waiting: int = 0  # operations that wait for another one to end
    restarts: int = 0  # of the coordinator's toolstack: whoever waits for something gives up
    cut_streams: Callable[[], None] = lambda: None  # ends the streams of all hosts
    threads: set[threading.Thread] = field(default_factory=set)
    stopping: threading.Event = field(default_factory=threading.Event)

    @classmethod
    def open(cls, folder: Path, settings: Settings) -> "Pool":
        """Make a pool without records whose disks lie in the folder, and what is known to boot beside it."""
        db, clock = Database(), Clock()
        db.settle = lambda touched: settle(db, touched)
        history = History(db)
        log = Log(db)
        db.tell = lambda touched: _tell(touched, history, log)
        disks = Disks(folder)
        users = {settings.username: User(settings.username, settings.password, "pool-admin", superuser=True)}
        sessions = Sessions(db, clock, users, settings.profile.refresh_seconds)
        return cls(
            settings,
            db,
            disks,
            Bootable(folder.with_name("bootable")),
            Guests(db, disks),
            Faults(),
            RefNumbers(settings.first_ref),
            history,
            log,
            clock,
            users,
            sessions,
            Coalescer(db, disks, settings.coalesce_seconds),
        )

    @property
    def record(self) -> Record:
        """The pool's only record."""
        return next(iter(self.db.table("pool").values()))

    @property
    def host(self) -> Record:
        """The coordinator's record."""
        return self.db.get("host", self.record["master"])

    def start(self, work: Callable[[], None], name: str) -> None:
        """Run work in a thread of its own that `close` waits for."""
        thread = threading.Thread(target=self._tracked, args=(work,), name=name, daemon=True)
        self.threads.add(thread)
        thread.start()

    def _tracked(self, work: Callable[[], None]) -> None:
        try:
            work()
        finally:
            self.threads.discard(threading.current_thread())

    def close(self) -> None:
        """Wait for all work and stop the guests."""
        for thread in list(self.threads):
            thread.join()
        self.guests.close()
        self.disks.close()
