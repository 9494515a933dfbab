"""A folder of a target as if it were a whole target: what is done there leaves the rest alone."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from typing_extensions import Buffer

from vmbackup.contracts import Entry, Leftover, Stored, Target
from vmbackup.settings import Settings


class Below(Target[Settings]):
    """The part of `target` below `folder`. The target is entered and left by whoever made it."""

    name = "below"

    def __init__(self, target: Target[Settings], folder: str) -> None:
        """`folder` is a key; it need not be there yet."""
        super().__init__(target.label, target.settings)
        self.target = target
        self.folder = folder

    def store(self, key: str, chunks: Iterable[Buffer]) -> Stored:
        """Store it in the folder."""
        return self._stored(self.target.store(self.key(key), chunks))

    def stat(self, key: str) -> Stored | None:
        """Look in the folder."""
        found = self.target.stat(self.key(key))
        return found and self._stored(found)

    def local_path(self, key: str) -> Path | None:
        """In the folder."""
        return self.target.local_path(self.key(key))

    def fetch(self, key: str, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Fetch from the folder."""
        return self.target.fetch(self.key(key), offset, length)

    def entries(self, prefix: str = "") -> Iterator[Entry]:
        """List below the folder."""
        for entry in self.target.entries(self.key(prefix) if prefix else self.folder):
            yield replace(entry, key=self._short(entry.key))

    def delete(self, key: str) -> None:
        """Delete from the folder."""
        self.target.delete(self.key(key))

    def locked_until(self, key: str) -> datetime | None:
        """As in the folder."""
        return self.target.locked_until(self.key(key))

    def free(self) -> int | None:
        """As the whole target."""
        return self.target.free()

    def leftovers(self) -> Iterator[Leftover]:
        """Those of the folder."""
        for leftover in self.target.leftovers():
            if leftover.key.startswith(f"{self.folder}/"):
                yield replace(leftover, key=self._short(leftover.key))

    def discard(self, leftover: Leftover) -> None:
        """Discard one of the folder's."""
        self.target.discard(replace(leftover, key=self.key(leftover.key)))

    def key(self, key: str) -> str:
        """Return the key on the whole target."""
        return f"{self.folder}/{key}"

    def _short(self, key: str) -> str:
        # A key that is not below the folder is left as it is: the target is wrong, and that must be seen.
        return key.removeprefix(f"{self.folder}/")

    def _stored(self, stored: Stored) -> Stored:
        return replace(stored, key=self._short(stored.key))


def whole(target: Target[Settings], key: str = "") -> tuple[Target[Settings], str]:
    """Return the whole target that `target` may be a part of, and what `key` is called there."""
    while isinstance(target, Below):
        key = target.key(key)
        target = target.target
    return target, key
