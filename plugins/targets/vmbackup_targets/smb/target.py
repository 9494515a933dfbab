"""A folder on a share of an SMB server as a target."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from vmbackup import Buffer, Entry, KeyMissing, KeyRefused, Leftover, Stored, Target, TargetError, check_key
from vmbackup_targets.smb.folders import ABSENT, remove_empty
from vmbackup_targets.smb.handle import FOLDER_ONLY, LOOK, READ, Handle, opened
from vmbackup_targets.smb.line import Line, Way
from vmbackup_targets.smb.listing import Found
from vmbackup_targets.smb.names import join, key_of, path, shown
from vmbackup_targets.smb.partial import PARTIAL, Partial, abandoned, remove_file
from vmbackup_targets.smb.settings import SmbSettings
from vmbackup_targets.smb.status import Status
from vmbackup_targets.smb.stream import read
from vmbackup_targets.smb.trouble import Explained, Refused


class Smb(Target[SmbSettings]):
    """A folder on a share of an SMB server: Windows, Samba, a NAS. No mount, no root; encrypted unless told otherwise.

    An unfinished file is open to its writer alone, so that one that can be opened is a leftover. A client that dies
    without a word keeps its file open until the server misses it. Links on the share are never followed, as far as the
    server shows them as links.
    """

    name = "smb"
    Settings = SmbSettings
    _line: Line | None = None

    def __enter__(self) -> Self:
        """Connect, log in, and look at the folder. Raises TargetError if it is not there; it is never made."""
        self._line = Line(self.settings)
        try:
            with self._explained("opened", ""):
                self._way()
        except BaseException:
            self._line = None
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        """Log off."""
        line, self._line = self._line, None
        if line is not None:
            line.close()

    def store(self, key: str, chunks: Iterable[Buffer]) -> Stored:
        """Write beside the place, flush, and give it its name; see `vmbackup_targets.smb.partial`."""
        explained = self._explained("stored", key)
        *folders, name = map(shown, check_key(key).split("/"))
        with ExitStack() as stack:
            with explained:
                partial = stack.enter_context(Partial(self._way(), self.settings.folder, folders, name))
            # The source is asked outside of the explanations: its errors are not the target's.
            for chunk in chunks:
                with explained:
                    partial.write(chunk)
            with explained:
                return Stored(key, partial.publish())

    def stat(self, key: str) -> Stored | None:
        """What lies under `key`; a folder is nothing. Raises TargetError for a link."""
        with self._explained("looked at", key), ExitStack() as stack:
            found = self._file(stack, self._way(), check_key(key), LOOK)
            return Stored(key, found.size) if found else None

    def fetch(self, key: str, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        """The bytes, in pieces of 1 MiB at most, which are asked for ahead."""
        explained = self._explained("read", key)
        with ExitStack() as stack:
            with explained:
                way = self._way()
                handle = self._file(stack, way, check_key(key), READ)
            if handle is None:
                raise KeyMissing(f"target {self.label}: nothing is stored under {key} ({self._place(key)})")
            end = handle.size if length is None else min(handle.size, offset + length)
            pieces = read(way.lane, handle, way.piece, offset, end)
            stack.callback(pieces.close)
            while True:
                with explained:
                    piece = next(pieces, None)
                if piece is None:
                    return
                yield piece

    def entries(self, prefix: str = "") -> Iterator[Entry]:
        """Files and folders below `prefix`."""
        for found in self._listing(prefix):
            key = key_of(prefix, found.name)
            if key and found.is_folder:
                yield Entry(key, None)
            elif key and found.is_file:
                yield Entry(key, found.size)

    def delete(self, key: str) -> None:
        """Remove the file and the folders that this leaves empty. Raises TargetError for a link."""
        *folders, _ = map(shown, check_key(key).split("/"))
        with self._explained("deleted", key):
            link = self._way().link
            try:
                remove_file(link, self._path(key))
            except Refused as error:
                if error.status != Status.FILE_IS_A_DIRECTORY:
                    raise
            remove_empty(link, self.settings.folder, folders)

    def free(self) -> int | None:
        """Bytes that our user may still write, quotas counted where the server counts them."""
        with (
            self._explained("asked for its free space", ""),
            opened(self._way().link, self._path(""), LOOK, options=FOLDER_ONLY) as folder,
        ):
            return folder.free()

    def leftovers(self) -> Iterator[Leftover]:
        """Unfinished files that nobody has open; the token is the path below the folder."""
        waiting = [""]
        while waiting:
            prefix = waiting.pop()
            for found in self._listing(prefix):
                match = PARTIAL.fullmatch(found.name)
                key = key_of(prefix, match[1] if match else found.name)
                if key and match and found.is_file:
                    yield from self._leftover(key, f"{prefix}/{found.name}" if prefix else found.name, found)
                elif key and not match and found.is_folder:
                    waiting.append(key)

    def discard(self, leftover: Leftover) -> None:
        """Remove an unfinished file and the folders that this leaves empty. Raises TargetError if its writer lives."""
        prefix, _, name = leftover.token.rpartition("/")
        match = PARTIAL.fullmatch(name)
        if match is None or key_of(prefix, match[1]) != check_key(leftover.key):
            raise KeyRefused(f"target {self.label}: {leftover.token[:200]!r} is no unfinished file of {leftover.key!r}")
        with self._explained("discarded", leftover.key):
            link = self._way().link
            try:
                remove_file(link, self._path(leftover.token))
            except Refused as error:
                if error.status == Status.SHARING_VIOLATION:
                    raise TargetError(f"target {self.label}: {leftover.key} is being written at this moment") from error
                raise
            remove_empty(link, self.settings.folder, [shown(part) for part in prefix.split("/") if part])

    def _leftover(self, key: str, token: str, found: Found) -> Iterator[Leftover]:
        with self._explained("looked at", key):
            free = abandoned(self._way().link, self._path(token))
        if free:
            yield Leftover(key, token, found.size, found.modified)

    def _listing(self, prefix: str) -> list[Found]:
        """Everything directly below a folder, strangers too; read at once, so that no open folder waits."""
        if prefix:
            check_key(prefix)
        try:
            with (
                self._explained("listed", prefix),
                opened(self._way().link, self._path(prefix), READ, options=FOLDER_ONLY) as folder,
            ):
                return list(folder.listing())
        except TargetError as error:
            cause = error.__cause__
            if prefix and isinstance(cause, Refused) and cause.status in {*ABSENT, Status.NOT_A_DIRECTORY}:
                return []
            raise

    def _file(self, stack: ExitStack, way: Way, key: str, access: int) -> Handle | None:
        """Open what lies under `key`; None if it is nothing, or a folder."""
        try:
            handle = stack.enter_context(opened(way.link, self._path(key), access))
        except Refused as error:
            if error.status in {*ABSENT, Status.FILE_IS_A_DIRECTORY, Status.NOT_A_DIRECTORY}:
                return None
            raise
        handle.refuse_link()
        return None if handle.is_folder else handle

    def _explained(self, doing: str, key: str) -> Explained:
        return Explained(self.label, doing, key, self._place(key))

    def _place(self, key: str) -> str:
        return join(self.settings.place, key)

    def _path(self, key: str) -> str:
        return path(self.settings.folder, key)

    def _way(self) -> Way:
        if self._line is None:
            raise RuntimeError("a target is entered before it is used")
        return self._line.way()
