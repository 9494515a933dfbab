"""A real target in a folder, and backups on it."""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.core.builders import RUN, START, manifest, stored
from typing_extensions import Buffer

from vmbackup import Stored
from vmbackup.manifest import Begun, Identity, Manifest, StoredFile
from vmbackup.repository import Repository, Unfinished
from vmbackup.results import Backup
from vmbackup_targets.local import Local, LocalSettings

ID = "1d000000-0000-4000-8000-000000000001"
INSTALLATION = "cafe0000-0000-4000-8000-000000000001"
IDENTITY = Identity(id=ID, label="nas", created=START)
FILES = {
    "image.xva": b"the whole image",
    "ova.xml": b"<value/>",
    "DISK-xvda/vdi.cfg": b"name_label=root\n",
    "VIFs/vif-0.cfg": b"device=0\n",
    "SHA256SUMS": b"",
}


FOLDER = f"campus--f00dfeed/web--11111111/{START:%Y%m%dT%H%M%SZ}-0123"


class Killed(Exception):
    """The process was killed at this point, as far as the target can see."""


class Mortal(Local):
    """A target whose process is killed before the change after so many changes."""

    left = 0

    def _live(self) -> None:
        if self.left == 0:
            raise Killed
        self.left -= 1

    def store(self, key: str, chunks: Iterable[Buffer]) -> Stored:
        self._live()
        return super().store(key, chunks)

    def delete(self, key: str) -> None:
        self._live()
        super().delete(key)


def local(folder: Path, kind: type[Local] = Local) -> Local:
    return kind("nas", LocalSettings(path=folder))


@contextmanager
def opened(folder: Path, kind: type[Local] = Local) -> Iterator[Repository]:
    """The repository on a folder, as a process of its own would see it."""
    with local(folder, kind) as target:
        yield Repository(target, ID)


def begun(run_id: str = RUN.id, installation: str = INSTALLATION) -> Begun:
    return Begun(installation=installation, run_id=run_id, host="backup1", boot_id="b", started=START)


def folder_of(at: datetime, name: str = "web") -> str:
    return f"campus--f00dfeed/{name}--11111111/{at:%Y%m%dT%H%M%SZ}-0123"


def write(repository: Repository, folder: str, files: Mapping[str, bytes]) -> list[StoredFile]:
    """Store files of a backup."""
    for name, data in files.items():
        repository.store(f"{folder}/{name}", [data])
    return [stored(name, data, "image" if name.startswith("image") else "metadata") for name, data in files.items()]


def make(
    repository: Repository,
    at: datetime = START,
    name: str = "web",
    files: Mapping[str, bytes] | None = None,
    **facts: Any,
) -> Backup:
    """Make a whole backup."""
    folder = folder_of(at, name)
    repository.begin(folder, begun())
    written = write(repository, folder, FILES if files is None else files)
    return repository.publish(folder, manifest(at=at, name=name, files=written, **facts))


def tree(folder: Path) -> dict[str, bytes]:
    """Everything below a folder; folders are told by a slash at the end of their name."""
    return {
        f"{path.relative_to(folder)}{'/' if path.is_dir() else ''}": b"" if path.is_dir() else path.read_bytes()
        for path in folder.rglob("*")
    }


def altered(document: str, **changes: object) -> str:
    """A JSON document with some values of its first level replaced."""
    return json.dumps({**json.loads(document), **changes})


def generation(repository: Repository, number: int, files: dict[str, bytes], *, whole: bool = True) -> Manifest:
    """Write a generation; one that is not whole lacks its files."""
    described = [stored(name, data) for name, data in files.items()]
    if whole:
        write(repository, FOLDER, files)
    made = manifest(generation=number, files=described)
    repository.store_fact(f"{FOLDER}/manifest.{number}.json", made)
    return made


def kinds(repository: Repository) -> dict[str, str]:
    """What each folder holds, in a word."""
    words = {}
    for found in repository.scan():
        trashed = isinstance(found, Unfinished) and found.trashed
        words[found.folder] = "trashed" if trashed else type(found).__name__
    return words
