"""Promises of a mirror about removal: what says that a backup is there goes first, and only what is a backup's goes."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from vmbackup.conformance.content import noise
from vmbackup.conformance.holding import require, taken
from vmbackup.conformance.originals import original
from vmbackup.conformance.places import MANIFESTS, Place, copy, require_holds, require_whole
from vmbackup.contracts import Mirror
from vmbackup.settings import Settings

PATIENCE_SECONDS = 60


def removes_manifests_first(mirror: Mirror[Settings], place: Place) -> None:
    """While a backup is removed, no manifest is there any more when the first of its other files goes."""
    made = original()
    copy(mirror, made)
    with _watched(place, made.folder) as seen, taken("removing a backup"):
        mirror.remove(made.folder)
    # A look takes time: only in a later one than that which missed a file is a manifest surely too late.
    short = [bool(set(made.contents) - set(files) - {"manifest.json"}) for files in seen]
    first = short.index(True) if True in short else len(seen)
    late = [name for files in seen[first + 1 :] for name in files if MANIFESTS.fullmatch(name)]
    require(not late, f"{late[:1]} is there still when other files are gone")
    require_holds(mirror)


def leaves_what_is_not_its_own(mirror: Mirror[Settings], place: Place) -> None:
    """A removal leaves other backups, and files in the backup's folder that are none of a backup's."""
    made, other = original(0), original(1)
    for one in (made, other):
        copy(mirror, one)
    notes = {"notes.txt": b"of somebody", "DISK-xvda/notes.txt": b"too", "own/image.xva": noise(100)}
    for name, data in notes.items():
        place.put(f"{made.folder}/{name}", data)
    with taken("removing a backup with somebody's files beside it"):
        mirror.remove(made.folder)
    require_whole(place, made.folder, notes)
    require_whole(place, other.folder, other.contents)
    require_holds(mirror, other.folder)


def removes_twice(mirror: Mirror[Settings], place: Place) -> None:
    """A removed backup is gone with all its files; removing it again, or what never was there, is no error."""
    made = original()
    copy(mirror, made)
    for _ in range(2):
        with taken("removing a backup, and removing it again,"):
            mirror.remove(made.folder)
        require_whole(place, made.folder, {})
    with taken("removing what never was there"):
        mirror.remove(original(1).folder)
    require_holds(mirror)
    copy(mirror, made)
    require_holds(mirror, made.folder)
    require_whole(place, made.folder, made.contents)


@contextmanager
def _watched(place: Place, folder: str) -> Iterator[list[Mapping[str, bytes]]]:
    """Give what is in a folder, looked at again and again from before until after the `with`."""
    seen = [place.arrived(folder)]
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            seen.append(place.arrived(folder))

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        done.set()
        thread.join(PATIENCE_SECONDS)
