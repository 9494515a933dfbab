"""What every target over a folder does once that folder is open: one that is simply there, or one that was mounted."""

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Final, TypeVar

from vmbackup import (
    Buffer,
    Entry,
    KeyMissing,
    KeyRefused,
    Leftover,
    OtherNames,
    Settings,
    Stored,
    Target,
    TargetError,
    check_key,
)
from vmbackup_targets.chain import Chain
from vmbackup_targets.other_names import FILE_SYSTEMS_OWN, FolderNames
from vmbackup_targets.partial import PARTIAL, Partial, abandoned
from vmbackup_targets.trouble import ADVICE, Explained

PIECE: Final = 1 << 20
S_co = TypeVar("S_co", bound=Settings, covariant=True)
T = TypeVar("T")


class FolderTarget(Target[S_co]):
    """Files below a folder, which a subclass opens with `open_root` when it is entered.

    The folder is opened once and all goes through that descriptor, so what is mounted over it later gets nothing. Links
    below it are never followed. Files get the mode 0600, folders 0700. A writer holds a lock (flock) on its unfinished
    file, and what is locked is no leftover: this holds for all processes of one machine, and on NFS for all clients
    unless it is mounted with `nolock` or `local_lock`; on other shares, only the age of a leftover tells.
    """

    any_name = True
    advice: ClassVar[Mapping[int, str]] = ADVICE
    """What to do about an error of the operating system, by its number."""

    _root: int | None = None
    _folder = Path()

    def open_root(self, folder: Path) -> int:
        """Open the folder, and return its descriptor. Raises TargetError if it is not there; it is never made."""
        self._folder = folder
        with self.explained("opened"):
            return self.take_root(os.open(folder, os.O_RDONLY | os.O_DIRECTORY), folder)

    def take_root(self, root: int, folder: Path) -> int:
        """Use `root`, a descriptor of the folder at `folder`, and return it; it is closed by `close_root`."""
        self._folder = folder
        self._root = root
        return root

    def close_root(self) -> None:
        """Close the folder; a subclass whose `__enter__` fails after `open_root` calls it itself."""
        root, self._root = self._root, None
        if root is not None:
            os.close(root)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        """Close the folder."""
        self.close_root()

    def store(self, key: str, chunks: Iterable[Buffer]) -> Stored:
        """Write beside the place, flush, and give it its name; see `vmbackup_targets.partial`."""
        explained = self.explained("stored", key)
        with ExitStack() as stack:
            with explained:
                chain, name = stack.enter_context(self._at(key))
                partial = stack.enter_context(Partial(chain, name))
            # The source is asked outside of the explanations: its errors are not the target's.
            for chunk in chunks:
                with explained:
                    partial.write(chunk)
            with explained:
                return Stored(key, partial.publish())

    def stat(self, key: str) -> Stored | None:
        """What lies under `key`; a folder is nothing. Raises TargetError for a link or a device."""
        with self.explained("looked at", key), self._at(key) as (chain, name):
            found = chain.file(name) if chain.descend() else None
        return Stored(key, found.st_size) if found else None

    def local_path(self, key: str) -> Path | None:
        """Below the folder, as long as that is open."""
        return self._folder / key if self._root is not None else None

    def other_names(self) -> OtherNames:
        """Every name below the folder, as hard links where a file has a key, too."""
        return FolderNames(self._opened(), self.explained, self._in_time)

    def fetch(self, key: str, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        """The bytes, in pieces of 1 MiB."""
        explained = self.explained("read", key)
        with ExitStack() as stack:
            with explained:
                chain, name = stack.enter_context(self._at(key))
                descriptor = chain.open_file(name) if chain.descend() else None
                if descriptor is None:
                    raise KeyMissing(f"target {self.label}: nothing is stored under {key} ({self._path(key)})")
                stack.callback(os.close, descriptor)
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_SEQUENTIAL)
                size = os.fstat(descriptor).st_size
            end = size if length is None else min(size, offset + length)
            while offset < end:
                with explained:
                    piece = os.pread(descriptor, min(PIECE, end - offset), offset)
                if not piece:
                    return
                yield piece
                offset += len(piece)

    def entries(self, prefix: str = "") -> Iterator[Entry]:
        """Files and folders below `prefix`; the file system's own `lost+found` is left out."""
        for name, found in self._listing(prefix):
            key = _joined(prefix, name)
            if not _is_key(key) or (not prefix and name in FILE_SYSTEMS_OWN):
                continue
            if stat.S_ISDIR(found.st_mode):
                yield Entry(key, None)
            elif stat.S_ISREG(found.st_mode):
                yield Entry(key, found.st_size)

    def delete(self, key: str) -> None:
        """Remove the file and the folders that this leaves empty. Raises TargetError for a link or a device."""
        with self.explained("deleted", key), self._at(key) as (chain, name):
            if chain.descend() and chain.file(name):
                chain.remove(name)
            chain.remove_empty()

    def free(self) -> int | None:
        """Bytes that a user without privileges may still write."""
        with self.explained("asked for its free space"):
            found = os.fstatvfs(self._opened())
        return found.f_bavail * found.f_frsize

    def leftovers(self) -> Iterator[Leftover]:
        """Unfinished files that no living process has locked; the token is the path below the root."""
        waiting = [""]
        while waiting:
            prefix = waiting.pop()
            for name, found in self._listing(prefix):
                match = PARTIAL.fullmatch(name)
                if match and stat.S_ISREG(found.st_mode) and _is_key(_joined(prefix, match[1])):
                    yield from self._leftover(prefix, name, match[1])
            waiting += [entry.key for entry in self.entries(prefix) if entry.size is None]

    def discard(self, leftover: Leftover) -> None:
        """Remove an unfinished file and the folders that this leaves empty. Raises TargetError if its writer lives."""
        prefix, _, name = leftover.token.rpartition("/")
        match = PARTIAL.fullmatch(name)
        if match is None or _joined(prefix, match[1]) != leftover.key:
            raise KeyRefused(f"target {self.label}: {leftover.token[:200]!r} is no unfinished file of {leftover.key!r}")
        with self.explained("discarded", leftover.key), self._at(leftover.key) as (chain, _):
            if chain.descend() and chain.file(name):
                if abandoned(chain, name) is None:
                    raise TargetError(f"target {self.label}: {leftover.key} is being written at this moment")
                chain.remove(name)
            chain.remove_empty()

    def _leftover(self, prefix: str, name: str, last: str) -> Iterator[Leftover]:
        key, token = _joined(prefix, last), _joined(prefix, name)
        with self.explained("looked at", key), self._at(key) as (chain, _):
            found = abandoned(chain, name) if chain.descend() else None
        if found:
            yield Leftover(key, token, found.st_size, datetime.fromtimestamp(found.st_mtime, UTC))

    def _listing(self, prefix: str) -> list[tuple[str, os.stat_result]]:
        """Everything directly below a folder, links and strangers too; read at once, so that no descriptor waits."""
        folders = check_key(prefix).split("/") if prefix else []
        found = []
        with self.explained("listed", prefix), Chain(self._opened(), folders) as chain:
            if chain.descend():
                names = os.listdir(chain.folder)  # noqa: PTH208 - a Path cannot hold a descriptor
                found = [(name, chain.look(name)) for name in names]
        return [(name, what) for name, what in found if what is not None]

    def explained(self, doing: str, key: str = "") -> Explained:
        """Return a context whose OSErrors become TargetErrors: what could not be done, such as "stored", and why."""
        return Explained(self.label, doing, key, self._path(key), self.advice)

    def _in_time(self, doing: str, key: str, call: Callable[[], T]) -> T:
        """Do what waits for the storage; a subclass may give it up after a while. See `explained` for `doing`."""
        del doing, key
        return call()

    @contextmanager
    def _at(self, key: str) -> Iterator[tuple[Chain, str]]:
        """The folders of a key, of which none is open yet, and the name of its last part."""
        *folders, name = check_key(key).split("/")
        with Chain(self._opened(), folders) as chain:
            yield chain, name

    def _path(self, key: str) -> Path:
        return self._folder / key

    def _opened(self) -> int:
        if self._root is None:
            raise RuntimeError("a target is entered before it is used")
        return self._root


def _joined(prefix: str, name: str) -> str:
    return f"{prefix}/{name}" if prefix else name


def _is_key(key: str) -> bool:
    try:
        check_key(key)
    except KeyRefused:
        return False
    return True
