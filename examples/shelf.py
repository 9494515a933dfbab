"""A target of one's own, in full: all files in one SQLite database.

It works as object stores do. A file is uploaded in parts, each of which is there at once and belongs to no key; one
last step gives the whole its key, or finds it taken. What a dead process has uploaded can be told by having no key.
"""

import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from pydantic import Field

from vmbackup import (
    Buffer,
    Entry,
    KeyExists,
    KeyMissing,
    Leftover,
    Plugin,
    Settings,
    Stored,
    Target,
    TargetError,
    check_key,
    hookimpl,
)

TABLES = """
CREATE TABLE IF NOT EXISTS parts (upload, key, start INTEGER, data BLOB, added, PRIMARY KEY (upload, start));
CREATE TABLE IF NOT EXISTS files (key PRIMARY KEY, upload, size INTEGER);
"""
FOUND = "SELECT upload, size FROM files WHERE key = ?"
STARTS = "SELECT start FROM parts WHERE upload = ? AND start < ? AND start + length(data) > ? ORDER BY start"
DATA = "SELECT data FROM parts WHERE upload = ? AND start = ?"
LISTED = "SELECT key, size FROM files WHERE key >= ? AND key < ? ORDER BY key"
UNFINISHED = """
SELECT key, upload, sum(length(data)), max(added) FROM parts
WHERE upload NOT IN (SELECT upload FROM files) GROUP BY upload
"""


class ShelfSettings(Settings):
    """Where the database is."""

    path: Path = Field(description="the database; its folder must exist")


class Shelf(Target[ShelfSettings]):
    """One SQLite database."""

    name = "shelf"
    Settings = ShelfSettings

    def store(self, key: str, chunks: Iterable[Buffer]) -> Stored:
        """Upload the parts, and give them their key."""
        check_key(key)
        if self.stat(key):
            raise KeyExists(f"target {self.label}: {key} is stored already")
        upload, size = str(uuid4()), 0
        try:
            for chunk in chunks:
                if data := bytes(chunk):
                    now = datetime.now(UTC).isoformat()
                    self._change("INSERT INTO parts VALUES (?, ?, ?, ?, ?)", upload, key, size, data, now)
                    size += len(data)
            self._change("INSERT INTO files VALUES (?, ?, ?)", key, upload, size)
        except BaseException:
            self._change("DELETE FROM parts WHERE upload = ?", upload)
            raise
        return Stored(key, size)

    def stat(self, key: str) -> Stored | None:
        """Look its row up."""
        rows = self._rows(FOUND, check_key(key))
        return Stored(key, rows[0][1]) if rows else None

    def fetch(self, key: str, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        """One part after the other."""
        rows = self._rows(FOUND, check_key(key))
        if not rows:
            raise KeyMissing(f"target {self.label}: nothing is stored under {key}")
        upload, size = rows[0]
        end = size if length is None else offset + length
        for (start,) in self._rows(STARTS, upload, end, offset):
            ((data,),) = self._rows(DATA, upload, start)
            yield data[max(0, offset - start) : end - start]

    def entries(self, prefix: str = "") -> Iterator[Entry]:
        """Folders are what keys have in common up to a slash."""
        below = f"{check_key(prefix)}/" if prefix else ""
        folders = set()
        for key, size in self._rows(LISTED, below, f"{below}\x7f"):
            name, slash, _ = key[len(below) :].partition("/")
            if not slash:
                yield Entry(key, size)
            elif name not in folders:
                folders.add(name)
                yield Entry(f"{below}{name}", None)

    def delete(self, key: str) -> None:
        """Take its key away, and then its parts: if that is cut short, they are leftovers."""
        for upload, _ in self._rows(FOUND, check_key(key)):
            self._change("DELETE FROM files WHERE key = ?", key)
            self._change("DELETE FROM parts WHERE upload = ?", upload)

    def free(self) -> int | None:
        """What the disk below has."""
        found = os.statvfs(self.settings.path.parent)
        return found.f_bavail * found.f_frsize

    def leftovers(self) -> Iterator[Leftover]:
        """Parts of what has no key, those of living writers too."""
        for key, upload, size, added in self._rows(UNFINISHED):
            yield Leftover(key, upload, size, datetime.fromisoformat(added))

    def discard(self, leftover: Leftover) -> None:
        """Take its parts away."""
        self._change("DELETE FROM parts WHERE upload = ?", leftover.token)

    def _rows(self, query: str, *values: object) -> list[Any]:
        with self._database() as database:
            return database.execute(query, values).fetchall()

    def _change(self, statement: str, *values: object) -> None:
        with self._database() as database, database:
            database.execute(statement, values)

    @contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        """Open it anew for each call, for a connection belongs to one thread."""
        try:
            with closing(sqlite3.connect(self.settings.path, timeout=60)) as database:
                database.executescript(TABLES)
                yield database
        except sqlite3.IntegrityError as error:
            raise KeyExists(f"target {self.label}: the key is taken ({self.settings.path}: {error})") from error
        except sqlite3.Error as error:
            raise TargetError(f"target {self.label}: {self.settings.path}: {error}") from error


@hookimpl
def vmbackup_register() -> Iterable[type[Plugin[Settings]]]:
    """Bring `shelf`."""
    return (Shelf,)
