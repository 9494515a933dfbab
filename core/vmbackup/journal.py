"""What a run is about to make and has not unmade yet, on disk before it is made, so that the next run can unmake it.

A journal is a file of JSON lines: first who writes it and at what, then for each thing an intent, what became known of
it, and its end, and between them how far the run has come. Its writer holds a lock on the file for as long as it lives,
so that a journal whose lock can be had is a dead run's. A journal with nothing open is removed; that of a dead run that
says what it was only when its death has been told.
"""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from vmbackup.errors import ConfigError
from vmbackup.writing import writable

Fact = str | list[str]


@dataclass(slots=True)
class Intent:
    """One thing that a run makes. `facts` identify it before it exists, and grow when it does."""

    number: int
    kind: str
    facts: dict[str, Fact] = field(default_factory=dict)

    def text(self, name: str) -> str:
        """A fact that is one text; "" where it is not known."""
        value = self.facts.get(name, "")
        return value if isinstance(value, str) else ""

    def texts(self, name: str) -> list[str]:
        """A fact that is a list of texts; empty where it is not known."""
        value = self.facts.get(name, [])
        return value if isinstance(value, list) else []


@dataclass(frozen=True, slots=True)
class Way:
    """How far a run has come, in words: what it is, when it began, in UTC, and the step and the VM last entered.

    Each is "" where that is not known; `told` says that nobody need be told any more that it came to no end.
    """

    doing: str = ""
    started: str = ""
    step: str = ""
    vm: str = ""
    told: bool = False


class Journal:
    """The journal of one run, open for as long as it is used."""

    def __init__(
        self,
        file: IO[bytes],
        path: Path,
        head: Mapping[str, str],
        intents: Mapping[int, Intent],
        *,
        alive: bool,
        cut: bool = False,
    ) -> None:
        """Use `Journal.begin` and `dead_journals`."""
        self._file = file
        self._path = path
        self._next = max(intents, default=0) + 1
        self._open = dict(intents)
        self._alive = alive
        self._cut = cut
        self.run_id = head.get("run", path.stem)
        self.pool = head.get("pool", "")
        self.way = Way(head.get("doing", ""), head.get("started", ""))

    @classmethod
    def begin(cls, folder: Path, run_id: str, pool: str, doing: str = "") -> "Journal":
        """Start the journal of a run against the pool with that UUID; `doing` says for people what it is.

        Raises ConfigError where it cannot be written.
        """
        path = folder / f"{run_id}.jsonl"
        # It gets its name when it is locked: before that it would look like a dead run's.
        unnamed = folder / f"{run_id}.new"
        with writable(unnamed):
            descriptor = os.open(unnamed, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        # Without a buffer: what a full disk has not taken must not come later, when it is no longer true.
        file = os.fdopen(descriptor, "r+b", buffering=0)
        fcntl.flock(file, fcntl.LOCK_EX)
        head = {"run": run_id, "pool": pool, "doing": doing, "started": f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}"}
        journal = cls(file, path, head, {}, alive=True)
        try:
            journal._write({**head, "process": os.getpid()})
            with writable(path):
                unnamed.rename(path)
                _flush_folder(folder)
        except ConfigError:
            unnamed.unlink(missing_ok=True)
            file.close()
            raise
        return journal

    def __enter__(self) -> Self:
        """Use it until the end of the `with`."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        """Let go of the file; it is removed if nothing is open, and nothing is still to be told."""
        if self._alive:
            # Whoever comes here lives, and tells of itself.
            with suppress(OSError):
                self.tell()
        if not self._open and (self.way.told or not self.way.doing):
            self._path.unlink(missing_ok=True)
        self._file.close()

    @property
    def open(self) -> tuple[Intent, ...]:
        """What is made, or may be, and not yet unmade: the latest first."""
        return tuple(self._open[number] for number in sorted(self._open, reverse=True))

    def intend(self, kind: str, **facts: Fact) -> Intent:
        """Write down what is about to be made; it is on the disk when this returns. Raises ConfigError where not."""
        intent = Intent(self._next, kind, facts)
        self._next += 1
        self._write({"intend": intent.number, "kind": kind, "facts": facts})
        self._open[intent.number] = intent
        return intent

    def learn(self, intent: Intent, **facts: Fact) -> None:
        """Write down what became known of it, such as its UUID once it exists. Raises ConfigError where it cannot."""
        intent.facts.update(facts)
        self._write({"learn": intent.number, "facts": facts})

    def close(self, intent: Intent) -> None:
        """Write down that it is gone, or has become what it was made for.

        On a full disk that is known here alone; if this run dies, the next one finds that out for itself.
        """
        self._open.pop(intent.number, None)
        self._note({"close": intent.number})

    def enter(self, step: str, vm: str = "") -> None:
        """Write down the step that the run has come to, and the name of the VM that it is about."""
        self._note({"step": step, "vm": vm})
        self.way = replace(self.way, step=step, vm=vm)

    def tell(self) -> None:
        """Write down that nobody need be told any more that its writer came to no end."""
        if self._open:
            self._note({"told": True})
        self.way = replace(self.way, told=True)

    def _note(self, line: Mapping[str, object]) -> None:
        """Append a line that can be missed."""
        with contextlib.suppress(ConfigError):
            self._write(line)

    def _write(self, line: Mapping[str, object]) -> None:
        """Append a line and flush it. Raises ConfigError where the disk does not take it."""
        data = b"\n" * self._cut + json.dumps(line).encode() + b"\n"
        self._cut = True  # so that a line that is cut does not swallow the next
        with writable(self._path):
            while data:
                data = data[self._file.write(data) or 0 :]
            os.fsync(self._file.fileno())
        self._cut = False


def dead_journals(folder: Path) -> Iterator[Journal]:
    """Yield the journals whose writers are dead; the caller has each one's lock while it looks at it."""
    for path in sorted(folder.glob("*.jsonl")):
        try:
            file = path.open("r+b", buffering=0)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            continue
        journal = _read(file, path)
        with journal:
            yield journal


def _read(file: IO[bytes], path: Path) -> Journal:
    """Read a journal back; a last line that was cut by the death of its writer says nothing and is left out."""
    head: dict[str, str] = {}
    last: dict[str, str] = {}
    told = False
    intents: dict[int, Intent] = {}
    data = file.read()
    for line in data.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if "run" in entry:
            head = entry
        elif "step" in entry:
            last = entry
        elif "told" in entry:
            told = True
        elif "intend" in entry:
            intents[entry["intend"]] = Intent(entry["intend"], entry["kind"], entry["facts"])
        elif "learn" in entry and entry["learn"] in intents:
            intents[entry["learn"]].facts.update(entry["facts"])
        elif "close" in entry:
            intents.pop(entry["close"], None)
    file.seek(0, os.SEEK_END)
    journal = Journal(file, path, head, intents, alive=False, cut=bool(data) and not data.endswith(b"\n"))
    journal.way = replace(journal.way, step=last.get("step", ""), vm=last.get("vm", ""), told=told)
    return journal


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
