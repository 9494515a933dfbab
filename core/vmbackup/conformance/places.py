"""Where a mirror keeps its copies, seen past the mirror: what has arrived there, and what others do there."""

import contextlib
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from vmbackup.conformance.holding import require, taken
from vmbackup.contracts import Mirror, Original
from vmbackup.settings import Settings

MANIFESTS = re.compile(r"manifest(\.[0-9]+)?\.json")


class Place(Protocol):
    """The place of one mirror, on which nothing lies at first."""

    def arrived(self, folder: str) -> Mapping[str, bytes]:
        """Return all files below a folder, hidden and unfinished ones too, by their names below it."""

    def put(self, key: str, data: bytes) -> None:
        """Write a file past the mirror, below the place's root, with its folders; what was there is replaced."""


MirrorPromise = Callable[[Mirror[Settings], Place], None]


class FolderPlace:
    """A folder of this machine, such as the one that a server in a test serves."""

    def __init__(self, root: Path) -> None:
        """`root` is what the mirror takes for its own root."""
        self.root = root

    def arrived(self, folder: str) -> dict[str, bytes]:
        """Read them all; what goes away meanwhile is left out."""
        top = self.root / folder
        found = {}
        for above, _, names in os.walk(top):
            for name in names:
                path = Path(above, name)
                with contextlib.suppress(FileNotFoundError):
                    found[path.relative_to(top).as_posix()] = path.read_bytes()
        return found

    def put(self, key: str, data: bytes) -> None:
        """Write it."""
        path = self.root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def copy(mirror: Mirror[Settings], original: Original) -> None:
    """Have it copied."""
    with taken(f"copying {original.folder}"):
        mirror.copy(original)


def require_holds(mirror: Mirror[Settings], *folders: str) -> None:
    """Require that the mirror holds these folders, each told once, and no others."""
    with taken("asking what it holds"):
        found = list(mirror.holds())
    require(sorted(found) == sorted(folders), f"it holds {sorted(folders)}, and says {sorted(found)}")


def require_whole(place: Place, folder: str, contents: Mapping[str, bytes]) -> None:
    """Require that these files are in a folder, byte for byte, and no others."""
    found = place.arrived(folder)
    require(set(found) == set(contents), f"files of {folder} are too many or missing: {set(found) ^ set(contents)}")
    for name, data in contents.items():
        require(found[name] == data, f"{folder}/{name} has {len(found[name]):,} bytes, not the {len(data):,} of it")


def require_no_manifest(place: Place, folder: str) -> None:
    """Require that no manifest is in a folder."""
    found = [name for name in place.arrived(folder) if MANIFESTS.fullmatch(name)]
    require(not found, f"a copy that was not completed has left {found} in {folder}")
