"""Files below a folder under names that are no keys: somebody else's, and second names (hard links) of our own."""

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final, Protocol, TypeVar

from vmbackup import KeyMissing, Named, Names, Stored, check_key
from vmbackup_targets.chain import Chain
from vmbackup_targets.trouble import Explained, flush_folder

T = TypeVar("T")
# `mke2fs` puts it at the root of every ext file system, for the use of `fsck` alone; Windows the other one, on NTFS.
FILE_SYSTEMS_OWN: Final = frozenset({"lost+found", "System Volume Information"})


class InTime(Protocol):
    """Calls something that waits for the storage, and perhaps gives it up: what could not be done, and to what."""

    def __call__(self, doing: str, key: str, call: Callable[[], T], /) -> T:
        """Return what the call returns."""


class FolderNames:
    """See `vmbackup.OtherNames`. Names are looked up as keys are: from the descriptor of the root on, without links."""

    def __init__(self, root: int, explained: Callable[[str, str], Explained], in_time: InTime) -> None:
        """`root` is a descriptor that stays open; `explained` makes TargetErrors of what the system refuses."""
        self._root = root
        self._explained = explained
        self._in_time = in_time

    def entries(self, folder: Names) -> list[Named]:
        """List a folder."""
        return self._do("listed", folder, lambda: list(self._entries(folder)))

    def read(self, names: Names, limit: int) -> bytes:
        """Read the beginning of a file."""
        return self._do("read", names, lambda: self._read(names, limit))

    def give_key(self, names: Names, key: str) -> Stored:
        """Make a hard link under the key."""

        def call() -> Stored:
            size = self._link(names, tuple(check_key(key).split("/")))
            return Stored(key, size)

        return self._do("given a key", names, call)

    def give_names(self, key: str, names: Names) -> None:
        """Make a hard link under the names."""
        self._do("stored", names, lambda: self._link(tuple(check_key(key).split("/")), names))

    def mark(self, names: Names) -> None:
        """Make an empty file."""
        self._do("stored", names, lambda: self._mark(names))

    def is_same(self, names: Names, key: str) -> bool | None:
        """Compare two names by their inodes."""
        return self._do("looked at", names, lambda: self._is_same(names, tuple(check_key(key).split("/"))))

    def remove(self, names: Names) -> None:
        """Take a name away."""
        self._do("deleted", names, lambda: self._remove(names))

    def _do(self, doing: str, names: Names, call: Callable[[], T]) -> T:
        shown = "/".join(names)
        with self._explained(doing, shown):
            return self._in_time(doing, shown, call)

    @contextmanager
    def _at(self, names: Names) -> Iterator[tuple[Chain, str]]:
        """The folders of a file, of which none is open yet, and its own name."""
        if not all(_is_name(name) for name in names):
            raise OSError(errno.EINVAL, "not a name that a file may have")
        *folders, name = names
        with Chain(self._root, folders) as chain:
            yield chain, name

    def _entries(self, folder: Names) -> Iterator[Named]:
        with self._at((*folder, "_")) as (chain, _):
            names = os.listdir(chain.folder) if chain.descend() else []  # noqa: PTH208 - a Path cannot hold a descriptor
            for name in names:
                if not folder and name in FILE_SYSTEMS_OWN:
                    continue
                found = chain.look(name)
                if found is not None and stat.S_ISDIR(found.st_mode):
                    yield Named(name, None)
                elif found is not None and stat.S_ISREG(found.st_mode):
                    yield Named(name, found.st_size)

    def _read(self, names: Names, limit: int) -> bytes:
        with self._at(names) as (chain, name):
            descriptor = chain.open_file(name) if chain.descend() else None
            if descriptor is None:
                raise KeyMissing(f"nothing is called {'/'.join(names)}")
            try:
                data = bytearray()
                while len(data) < limit and (piece := os.pread(descriptor, limit - len(data), len(data))):
                    data += piece
                return bytes(data)
            finally:
                os.close(descriptor)

    def _link(self, old: Names, new: Names) -> int:
        """Give one file a second name, durably; return its size."""
        with self._at(old) as (source, old_name), self._at(new) as (target, new_name):
            found = source.file(old_name) if source.descend() else None
            if found is None:
                raise KeyMissing(f"nothing is called {'/'.join(old)}")
            try:
                target.make_folders()
                os.link(old_name, new_name, src_dir_fd=source.folder, dst_dir_fd=target.folder, follow_symlinks=False)
            except FileExistsError:
                # NFS repeats a request whose answer was lost, and is then told that the link is there.
                there = target.look(new_name)
                if there is None or not os.path.samestat(found, there):
                    raise
            except OSError:
                target.remove_made()
                raise
            flush_folder(target.folder)
            target.flush_above()
            return found.st_size

    def _mark(self, names: Names) -> None:
        with self._at(names) as (chain, name):
            with suppress(FileExistsError):
                os.close(chain.create(name))
            flush_folder(chain.folder)

    def _is_same(self, names: Names, key: Names) -> bool | None:
        with self._at(names) as (chain, name), self._at(key) as (of_key, last):
            found = chain.file(name) if chain.descend() else None
            if found is None:
                return None
            ours = of_key.file(last) if of_key.descend() else None
            return ours is not None and os.path.samestat(found, ours)

    def _remove(self, names: Names) -> None:
        with self._at(names) as (chain, name):
            if chain.descend() and chain.file(name):
                chain.remove(name)
            chain.remove_empty()


def _is_name(name: str) -> bool:
    return name not in {"", ".", ".."} and "/" not in name and "\0" not in name
