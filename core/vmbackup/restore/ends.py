"""The two ends of a restore: what is brought back, and where to."""

from collections.abc import Iterable
from dataclasses import dataclass

from typing_extensions import Buffer

from vmbackup.journal import Journal
from vmbackup.manifest import StoredFile
from vmbackup.registry import Registry
from vmbackup.repository import Repository
from vmbackup.results import Backup
from vmbackup.stream import counted
from vmbackup.verify import Tell, content, unpack
from vmbackup.xapi.session import Session


@dataclass(frozen=True, slots=True)
class Source:
    """A backup on its target; `tell` is told of the bytes read: twice over, proven and then sent, unless forced."""

    backup: Backup
    repository: Repository
    registry: Registry
    tell: Tell

    @property
    def image(self) -> StoredFile:
        """The file that holds the image."""
        return next(file for file in self.backup.manifest.files if file.role == "image")

    def pieces(self, *, force: bool) -> Iterable[Buffer]:
        """The image as the pool takes it: proven again while it is sent, unless forced."""
        if not force:
            return content(self.backup, self.image, self.repository, self.registry, self.tell)
        stored = self.repository.target.fetch(f"{self.backup.folder}/{self.image.name}")
        return unpack(self.image, counted(stored, self.tell), self.registry)

    def metadata(self) -> bytes:
        """The backup's `ova.xml`."""
        return self.repository.fetch_small(f"{self.backup.folder}/ova.xml")


@dataclass(frozen=True, slots=True)
class Destination:
    """The pool, and the journal of what is made in it under `sign`, the mark that it bears until it is whole."""

    session: Session
    journal: Journal
    sign: str


@dataclass(frozen=True, slots=True)
class Restored:
    """What has come back: the VM by its UUID and name ("" where none has a part in it), its disks by position.

    The disks are told by their UUIDs.
    """

    vm_uuid: str
    name: str
    disks: dict[int, str]
