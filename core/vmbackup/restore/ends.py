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
from vmbackup.xapi.hosts import address_for
from vmbackup.xapi.session import Session
from vmbackup.xapi.trust import Address


@dataclass(frozen=True, slots=True)
class Wishes:
    """How a backup is to come back.

    `preserve` keeps MAC addresses and, for a whole VM, its UUID. `vm` is the name or UUID of the VM that a disk is
    attached to; None makes a new one from the metadata. `force` sends what cannot be proven.
    """

    name: str | None = None
    preserve: bool = False
    start: bool = False
    vm: str | None = None
    force: bool = False


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

    def pieces(self, wishes: Wishes) -> Iterable[Buffer]:
        """The image as the pool takes it: proven again while it is sent, unless forced."""
        if not wishes.force:
            return content(self.backup, self.image, self.repository, self.registry, self.tell)
        stored = self.repository.target.fetch(f"{self.backup.folder}/{self.image.name}")
        return unpack(self.image, counted(stored, self.tell), self.registry)

    def metadata(self) -> bytes:
        """The backup's `ova.xml`."""
        return self.repository.fetch_small(f"{self.backup.folder}/ova.xml")


@dataclass(frozen=True, slots=True)
class Destination:
    """The pool, the journal of what is made in it, and the reference of the SR that takes the disks."""

    session: Session
    journal: Journal
    sr: str

    @property
    def address(self) -> Address:
        """The host that takes the image: one that sees the SR."""
        return address_for(self.session, self.sr)


@dataclass(frozen=True, slots=True)
class Restored:
    """What has come back: the VM by its UUID and name, and the UUIDs of its disks by their position."""

    vm_uuid: str
    name: str
    disks: dict[int, str]
