"""A file while it is being written: beside its place, under a hidden name that is no key, and open to nobody else."""

import re
import secrets
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from types import TracebackType
from typing import Final, Self

from vmbackup import Buffer
from vmbackup_targets.smb.folders import ABSENT, flush, make, remove_folder
from vmbackup_targets.smb.handle import ALONE, FILE_ONLY, LOOK, NEW, REMOVE, WRITE, Handle, opened
from vmbackup_targets.smb.line import Way
from vmbackup_targets.smb.link import Link
from vmbackup_targets.smb.names import join
from vmbackup_targets.smb.status import Status
from vmbackup_targets.smb.stream import Writer
from vmbackup_targets.smb.trouble import Lost, Refused

# The name of the key's last part is in the middle: `.image.xva.0123456789abcdef.partial`.
PARTIAL: Final = re.compile(r"\.(.+)\.[0-9a-f]{16}\.partial")
# Each attempt fails only when another client removes the folder in the moment after it was made.
_ATTEMPTS: Final = 20


class Partial:
    """A new file. Left before `publish` has succeeded, it leaves nothing behind, as far as the server still answers.

    All methods raise Refused and Lost; Refused with OBJECT_NAME_COLLISION where something has the name already.
    """

    def __init__(self, way: Way, base: str, folders: Sequence[str], name: str) -> None:
        """The file `name` in the folders below `base`."""
        self._way = way
        self._link = way.link
        self._base = base
        self._folders = folders
        self._folder = join(base, *folders)
        self._name = name
        self._made: list[str] = []
        self._stack = ExitStack()
        self._published = False

    def __enter__(self) -> Self:
        if _is_there(self._link, join(self._folder, self._name)):
            raise Refused(Status.OBJECT_NAME_COLLISION)
        try:
            self._handle = self._create(f".{self._name}.{secrets.token_hex(8)}.partial")
        except BaseException:
            self._remove_made()
            raise
        self._writer = Writer(self._way.lane, self._handle, self._way.piece)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        if self._published:
            return
        # What stays, because the server is gone, is found among the leftovers.
        self._writer.abandon()
        with suppress(Refused, Lost):
            self._handle.remove()
        with suppress(Refused, Lost):
            self._stack.close()
        self._remove_made()

    def write(self, chunk: Buffer) -> None:
        """Append the whole chunk."""
        self._writer.write(chunk)

    def publish(self) -> int:
        """Flush the file, give it its name if nothing has it, flush its folder, and return the size it has there."""
        sent = self._writer.finish()
        self._handle.flush()
        size = self._handle.end()
        if size != sent:
            raise Lost(f"{sent:,} bytes were written, but the file has {size:,}")
        self._handle.rename(join(self._folder, self._name))
        flush(self._link, self._folder)
        self._published = True
        self._stack.close()
        return size

    def _create(self, hidden: str) -> Handle:
        for _ in range(_ATTEMPTS):
            try:
                return self._stack.enter_context(
                    opened(
                        self._link, join(self._folder, hidden), WRITE, disposition=NEW, options=FILE_ONLY, share=ALONE
                    )
                )
            except Refused as error:
                if error.status not in ABSENT:
                    raise
                self._made += make(self._link, self._base, self._folders)
        raise Refused(Status.DELETE_PENDING)

    def _remove_made(self) -> None:
        with suppress(Refused, Lost):
            for path in sorted(self._made, key=len, reverse=True):
                remove_folder(self._link, path)


def _is_there(link: Link, path: str) -> bool:
    try:
        with opened(link, path, LOOK):
            return True
    except Refused as error:
        if error.status in ABSENT:
            return False
        raise


def remove_file(link: Link, path: str) -> None:
    """Remove a file; one that is gone is no error. Refused with SHARING_VIOLATION while a writer has it open."""
    try:
        with opened(link, path, REMOVE, options=FILE_ONLY) as handle:
            handle.refuse_link()
            handle.remove()
    except Refused as error:
        if error.status not in ABSENT:
            raise


def abandoned(link: Link, path: str) -> bool:
    """Whether there is a file at `path` that no living writer has open."""
    try:
        with opened(link, path, REMOVE, options=FILE_ONLY):
            return True
    except Refused as error:
        if error.status in ABSENT or error.status == Status.SHARING_VIOLATION:
            return False
        raise
