"""The folders of keys below the target's own, made when they are needed and removed when they are empty."""

from collections.abc import Sequence
from typing import Final

from vmbackup_targets.smb.handle import CHANGE, FOLDER_ONLY, LOOK, NEW, REMOVE, opened
from vmbackup_targets.smb.link import Link
from vmbackup_targets.smb.names import join
from vmbackup_targets.smb.status import Status
from vmbackup_targets.smb.trouble import Refused

ABSENT: Final = frozenset(
    {
        Status.NO_SUCH_FILE,
        Status.OBJECT_NAME_NOT_FOUND,
        Status.OBJECT_PATH_NOT_FOUND,
        Status.DELETE_PENDING,
    }
)
"""What a server answers when there is nothing at a path, or soon nothing any more."""
# NTFS flushes a folder's names with the file's own; a server that knows no flush of a folder says one of these.
_NO_FLUSH: Final = frozenset(
    {Status.ACCESS_DENIED, Status.INVALID_DEVICE_REQUEST, Status.INVALID_PARAMETER, Status.NOT_SUPPORTED}
)


def make(link: Link, base: str, names: Sequence[str]) -> list[str]:
    """Make the folders `names`, one below the other, as far as they are missing, and return the paths of the new ones.

    Raises Refused with NOT_A_DIRECTORY where a file, and with STOPPED_ON_SYMLINK where a link has the name of one.
    """
    made = []
    for depth in range(1, len(names) + 1):
        path = join(base, *names[:depth])
        try:
            with opened(link, path, LOOK, disposition=NEW, options=FOLDER_ONLY):
                made.append(path)
        except Refused as error:
            if error.status != Status.OBJECT_NAME_COLLISION:
                raise
            _check(link, path)
    return made


def _check(link: Link, path: str) -> None:
    with opened(link, path, LOOK) as handle:
        handle.refuse_link()
        if not handle.is_folder:
            raise Refused(Status.NOT_A_DIRECTORY)


def remove_empty(link: Link, base: str, names: Sequence[str]) -> None:
    """Remove the folders `names`, from the deepest up, as long as they are empty; one that is gone is no error."""
    for depth in range(len(names), 0, -1):
        try:
            remove_folder(link, join(base, *names[:depth]))
        except Refused as error:
            if error.status in ABSENT:
                continue
            return


def remove_folder(link: Link, path: str) -> None:
    """Remove a folder. Refused if it holds something."""
    with opened(link, path, REMOVE, options=FOLDER_ONLY) as folder:
        folder.remove()


def flush(link: Link, path: str) -> None:
    """Make the names in a folder durable, where the server can."""
    try:
        with opened(link, path, CHANGE, options=FOLDER_ONLY) as folder:
            folder.flush()
    except Refused as error:
        if error.status not in _NO_FLUSH:
            raise
