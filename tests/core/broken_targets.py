"""Targets that are each wrong in one way, over a folder; `BROKEN` names the promise that each breaks."""

import os
import posixpath
import secrets
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from typing_extensions import Buffer

from vmbackup import Entry, KeyExists, KeyMissing, Leftover, Stored, TargetError, check_key, conformance
from vmbackup.conformance import Promise
from vmbackup_targets.local import Local

BROKEN: dict[type[Local], Promise] = {}
MIB = 1 << 20


def breaks(promise: Promise) -> Callable[[type[Local]], type[Local]]:
    def note(kind: type[Local]) -> type[Local]:
        BROKEN[kind] = promise
        return kind

    return note


@breaks(conformance.keeps_every_byte)
class KeepsChunks(Local):
    """Keeps chunks without copying them."""

    def store(self, key: str, chunks: Iterable[Buffer]) -> Stored:
        return super().store(key, list(chunks))


@breaks(conformance.keeps_empty_files)
class TakesEmptyForMissing(Local):
    def stat(self, key: str) -> Stored | None:
        found = super().stat(key)
        return found if found and found.size else None


@breaks(conformance.keeps_large_files)
class CutsLargeChunks(Local):
    """Sends a chunk as one request, of which the server takes 16 MiB."""

    def store(self, key: str, chunks: Iterable[Buffer]) -> Stored:
        return super().store(key, (memoryview(chunk).cast("B")[: 16 * MIB] for chunk in chunks))


@breaks(conformance.keeps_zeros)
class ForgetsTheLastHole(Local):
    """Seeks over zeros, and so ends with the last byte that is none."""

    def store(self, key: str, chunks: Iterable[Buffer]) -> Stored:
        if not key.endswith(".raw"):
            return super().store(key, chunks)
        data = b"".join(bytes(chunk) for chunk in chunks)
        return replace(super().store(key, [data.rstrip(b"\0")]), size=len(data))


@breaks(conformance.reads_any_window)
class ReadsWholePieces(Local):
    def fetch(self, key: str, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        return super().fetch(key, offset, length and -(-length // MIB) * MIB)


@breaks(conformance.says_what_is_missing)
class ReadsNothingWhereNothingIs(Local):
    def fetch(self, key: str, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        try:
            yield from super().fetch(key, offset, length)
        except KeyMissing:
            return


@breaks(conformance.lists_what_is_there)
class ListsByPrefix(Local):
    """As an object store: takes the prefix for the beginning of a name and not for a folder."""

    def entries(self, prefix: str = "") -> Iterator[Entry]:
        yield from super().entries(prefix)
        above, _, name = prefix.rpartition("/")
        for entry in super().entries(above):
            if name and entry.size is None and entry.key != prefix and entry.key.startswith(prefix):
                yield from super().entries(entry.key)


@breaks(conformance.lists_what_is_there)
class ListsLate(Local):
    """Remembers a listing from before."""

    def store(self, key: str, chunks: Iterable[Buffer]) -> Stored:
        self.before = getattr(self, "now", [])
        stored = super().store(key, chunks)
        self.now = list(super().entries(key.rpartition("/")[0]))
        return stored

    def entries(self, prefix: str = "") -> Iterator[Entry]:
        late = set(getattr(self, "now", [])) - set(self.before) if hasattr(self, "before") else set()
        return (entry for entry in super().entries(prefix) if entry not in late)


@breaks(conformance.lists_what_is_there)
class ListsTwice(Local):
    def entries(self, prefix: str = "") -> Iterator[Entry]:
        for entry in super().entries(prefix):
            yield from [entry] * (2 if entry.size is None else 1)


@breaks(conformance.takes_every_key)
class KnowsNoCase(Local):
    def store(self, key: str, chunks: Iterable[Buffer]) -> Stored:
        return replace(super().store(check_key(key).lower(), chunks), key=key)


@breaks(conformance.takes_every_key)
class HasShortPaths(Local):
    """As Windows: a path ends at 260 characters."""

    def store(self, key: str, chunks: Iterable[Buffer]) -> Stored:
        if len(check_key(key)) > 260:
            raise TargetError(f"target {self.label}: {key}: the name is too long")
        return super().store(key, chunks)


@breaks(conformance.refuses_every_other_key)
class TidiesKeys(Local):
    def store(self, key: str, chunks: Iterable[Buffer]) -> Stored:
        return super().store(posixpath.normpath(key), chunks)


@breaks(conformance.refuses_a_second_store)
class Overwrites(Local):
    def store(self, key: str, chunks: Iterable[Buffer]) -> Stored:
        self.delete(key)
        return super().store(key, chunks)


@breaks(conformance.refuses_a_second_store)
class TruncatesFirst(Local):
    """Says that the key is taken after it has emptied it."""

    def store(self, key: str, chunks: Iterable[Buffer]) -> Stored:
        if self.stat(key):
            os.truncate(self.settings.path / key, 0)
        return super().store(key, chunks)


@breaks(conformance.keeps_files_and_folders_apart)
class MakesRoomForFolders(Local):
    def store(self, key: str, chunks: Iterable[Buffer]) -> Stored:
        above = check_key(key).rpartition("/")[0]
        if above and self.stat(above):
            self.delete(above)
        return super().store(key, chunks)


@breaks(conformance.deletes_twice)
class MissesWhatItDeletes(Local):
    def delete(self, key: str) -> None:
        if self.stat(key) is None:
            raise KeyMissing(f"target {self.label}: nothing is stored under {key}")
        super().delete(key)


@breaks(conformance.deletes_twice)
class DeletesFolders(Local):
    """Deletes all that lies below a key."""

    def delete(self, key: str) -> None:
        for entry in list(self.entries(key)):
            self.delete(entry.key)
        super().delete(key)


@breaks(conformance.removes_empty_folders)
class KeepsFolders(Local):
    def delete(self, key: str) -> None:
        (self.settings.path / check_key(key)).unlink(missing_ok=True)


class WritesInPlace(Local):
    """Writes where the file will be, and takes it away again where that fails."""

    def store(self, key: str, chunks: Iterable[Buffer]) -> Stored:
        path = self.settings.path / check_key(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with path.open("xb") as file:
                for chunk in chunks:
                    file.write(chunk)
        except FileExistsError as error:
            raise KeyExists(key) from error
        except BaseException:
            super().delete(key)
            raise
        return Stored(key, path.stat().st_size)


BROKEN[WritesInPlace] = conformance.hides_what_is_unfinished


@breaks(conformance.finds_what_a_dead_writer_left)
class DiesInPlace(WritesInPlace):
    """The same, which also shows when its process is killed."""


@breaks(conformance.leaves_nothing_of_a_failed_source)
class HasItsOwnWords(Local):
    """Tells the source's error in its own words."""

    def store(self, key: str, chunks: Iterable[Buffer]) -> Stored:
        try:
            return super().store(key, chunks)
        except OSError as error:
            raise TargetError(f"target {self.label}: {key}: {error}") from error


@breaks(conformance.leaves_nothing_of_a_failed_source)
class StoresWhatItGot(Local):
    """Takes an error of the source for its end."""

    def store(self, key: str, chunks: Iterable[Buffer]) -> Stored:
        def until_it_fails() -> Iterator[Buffer]:
            try:
                yield from chunks
            except OSError:
                return

        return super().store(key, until_it_fails())


class LeavesItsUnfinished(Local):
    """Cleans up after nothing."""

    def store(self, key: str, chunks: Iterable[Buffer]) -> Stored:
        try:
            return super().store(key, chunks)
        except KeyExists:
            raise
        except BaseException:
            self.leave(key)
            raise

    def leave(self, key: str) -> None:
        *folders, name = key.split("/")
        folder = self.settings.path.joinpath(*folders)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f".{name}.{secrets.token_hex(8)}.partial").touch()


BROKEN[LeavesItsUnfinished] = conformance.leaves_nothing_of_a_failed_source


@breaks(conformance.stays_usable_when_full)
class LeavesItsUnfinishedWhenFull(LeavesItsUnfinished):
    """The same, which also shows on a full target."""


@breaks(conformance.finds_what_a_dead_writer_left)
class FindsNothing(Local):
    def leftovers(self) -> Iterator[Leftover]:
        return iter(())


@breaks(conformance.finds_what_a_dead_writer_left)
class DiscardsNothing(Local):
    def discard(self, leftover: Leftover) -> None:
        pass


@breaks(conformance.finds_what_a_dead_writer_left)
class DiscardsOnce(Local):
    def discard(self, leftover: Leftover) -> None:
        (self.settings.path / leftover.token).unlink()


@breaks(conformance.finds_what_a_dead_writer_left)
class TakesItsClockForUtc(Local):
    def leftovers(self) -> Iterator[Leftover]:
        for leftover in super().leftovers():
            yield replace(leftover, modified=leftover.modified + timedelta(hours=2))


@breaks(conformance.lets_one_writer_win)
class LooksAndRenames(Local):
    """Looks whether the key is free, and then renames over whatever is there."""

    def store(self, key: str, chunks: Iterable[Buffer]) -> Stored:
        if self.stat(key):
            raise KeyExists(key)
        beside = f"{key}.{secrets.token_hex(8)}"
        super().store(beside, chunks)
        path = (self.settings.path / beside).replace(self.settings.path / key)
        return Stored(key, path.stat().st_size)


@breaks(conformance.lets_writers_work_side_by_side)
class OneAfterTheOther(Local):
    lock = threading.Lock()

    def store(self, key: str, chunks: Iterable[Buffer]) -> Stored:
        with self.lock:
            return super().store(key, chunks)


@breaks(conformance.says_how_much_is_free)
class CountsInBlocks(Local):
    def free(self) -> int | None:
        return os.statvfs(self.settings.path).f_bavail // 4096


@breaks(conformance.says_how_much_is_free)
class CountsInFractions(Local):
    def free(self) -> int | None:
        return super().free() / 1  # type: ignore[operator,return-value]  # the error is the point


@breaks(conformance.is_known_by_its_identity)
class RemembersWhatItRead(Local):
    """Answers from memory what it was asked before, whatever is on the disk by now."""

    memory: dict[Path, bytes]

    def fetch(self, key: str, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        self.memory = getattr(self, "memory", {})
        path = self.settings.path / check_key(key)
        if path not in self.memory:
            self.memory[path] = b"".join(super().fetch(key, offset, length))
        return iter([self.memory[path]])

    def stat(self, key: str) -> Stored | None:
        known = getattr(self, "memory", {}).get(self.settings.path / check_key(key))
        return Stored(key, len(known)) if known else super().stat(key)


@breaks(conformance.refuses_to_be_another)
class ComesAsItIs(Local):
    """Never asks where it is."""
