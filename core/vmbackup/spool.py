"""Reports that a notifier could not tell yet: files of the state folder, each one report for one notifier.

A report is kept before it is told, and let go once it was told, so that a death in between loses nothing. Who tells
one holds a lock on its file; another process passes it over meanwhile.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO, Literal

from pydantic import TypeAdapter

from vmbackup.manifest import Utc
from vmbackup.results import Report
from vmbackup.state import write_flushed

MOST = 100
OLDEST = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class Untold:
    """A report that waits for a notifier: since when, how often it was tried since, and who knows it already."""

    notifier: str
    since: Utc
    report: Report
    tries: int = 0
    told: tuple[str, ...] = ()
    vmbackup_untold: Literal[1] = 1

    def failed(self, told: tuple[str, ...]) -> "Untold":
        """Return it as it is after one more try, which has told some."""
        return replace(self, tries=self.tries + 1, told=tuple(dict.fromkeys((*self.told, *told))))


UNTOLD: TypeAdapter[Untold] = TypeAdapter(Untold)


class Claim:
    """A kept report that is this process's to tell, until it is closed."""

    def __init__(self, path: Path, file: BinaryIO, kept: Untold) -> None:
        """`file` is open and locked."""
        self._path = path
        self._file = file
        self.kept = kept

    def let_go(self) -> None:
        """Keep it no longer: it was told."""
        self._path.unlink(missing_ok=True)
        self._file.close()

    def keep(self, told: tuple[str, ...] = ()) -> None:
        """Keep it for another time, after a try that has told some. Raises OSError."""
        self.kept = self.kept.failed(told)
        # In its place and not over it, and under a lock as long as it has its name.
        fresh, file = _locked_new(self._path, self.kept)
        fresh.replace(self._path)
        self._file.close()
        file.close()

    def close(self) -> None:
        """Leave it as it is."""
        self._file.close()


class Spool:
    """The kept reports of an installation, in a folder for each notifier."""

    def __init__(self, folder: Path) -> None:
        """`folder` is readable by its owner alone."""
        self._folder = folder

    def labels(self) -> list[str]:
        """Return for which notifiers something is kept."""
        return sorted(path.name for path in self._folder.iterdir() if next(path.glob("*.json"), None))

    def put(self, label: str, report: Report, now: datetime) -> Claim:
        """Keep a report for a notifier, claimed by this process. Raises OSError."""
        folder = self._folder / label
        folder.mkdir(mode=0o700, exist_ok=True)
        kept = Untold(label, now, report)
        path = folder / f"{report.run.started.astimezone(UTC):%Y%m%dT%H%M%SZ}-{report.run.id[:8]}.json"
        fresh, file = _locked_new(path, kept)
        fresh.replace(path)
        return Claim(path, file, kept)

    @contextmanager
    def claims(self, label: str) -> Iterator[Iterator[Claim]]:
        """Give what is kept for a notifier and is nobody else's just now: the least tried first, then the oldest."""
        found = sorted(self._claimed(label), key=lambda claim: (claim.kept.tries, claim.kept.since))
        try:
            yield iter(found)
        finally:
            for claim in found:
                claim.close()

    def expired(self, label: str, now: datetime) -> list[Untold]:
        """Drop what is too old or too much, the oldest first, and return it."""
        with self.claims(label) as claims:
            oldest_first = sorted(claims, key=lambda claim: claim.kept.since)
            dropped = [
                claim
                for number, claim in enumerate(oldest_first)
                if now - claim.kept.since > OLDEST or len(oldest_first) - number > MOST
            ]
            for claim in dropped:
                claim.let_go()
        return [claim.kept for claim in dropped]

    def unreadable(self, label: str, now: datetime) -> list[Path]:
        """Return the files that this version cannot read; like what a death has left half written, they go with age."""
        found = []
        for path in sorted((self._folder / label).iterdir()):
            with suppress(FileNotFoundError):
                if path.suffix == ".json" and _read(path.read_bytes()) is not None:
                    continue
                if path.suffix == ".json":
                    found.append(path)
                if now.timestamp() - path.stat().st_mtime > OLDEST.total_seconds():
                    path.unlink()
        return found

    def _claimed(self, label: str) -> Iterator[Claim]:
        for path in sorted((self._folder / label).glob("*.json")):
            if (file := _locked(path)) is None:
                continue
            if (kept := _read(file.read())) is None:
                file.close()
            else:
                yield Claim(path, file, kept)


def _locked(path: Path) -> BinaryIO | None:
    """Open and lock a file, unless it is somebody's, or is gone once it is ours."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(path.stat(), os.fstat(file.fileno())):
            return file
    except (BlockingIOError, FileNotFoundError):
        pass
    file.close()
    return None


def _locked_new(path: Path, kept: Untold) -> tuple[Path, BinaryIO]:
    """Write a report beside its place, and lock it before it comes there."""
    fresh = path.with_suffix(".new")
    # A report may hold a file's name that is no UTF-8, which only Python's own JSON takes.
    write_flushed(fresh, json.dumps(UNTOLD.dump_python(kept, mode="json")).encode())
    file = fresh.open("rb")
    fcntl.flock(file, fcntl.LOCK_EX)
    return fresh, file


def _read(data: bytes) -> Untold | None:
    try:
        return UNTOLD.validate_python(json.loads(data))
    except ValueError:
        return None
