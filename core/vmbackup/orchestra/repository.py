"""The full backups that Xen Orchestra has on a target, each with the manifest that vmbackup would have written."""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Annotated

from pydantic import Field, ValidationError

from vmbackup.contracts import Target
from vmbackup.errors import ImageError, TargetError, TargetNotProven
from vmbackup.images import Ova, Packing, first_member, read_ova
from vmbackup.manifest import Fact, Identity, Image, ImageDisk, Manifest, PoolFact, Size, Undigested, Uuid, VMFact
from vmbackup.orchestra.view import IMAGE, OrchestraView
from vmbackup.repository import Broken, Found, Repository
from vmbackup.results import Backup
from vmbackup.settings import Settings
from vmbackup.stream import read_all

ROOT = "xo-vm-backups"
# A record holds two records of the VM, and whatever somebody has put into those.
RECORD_LIMIT = 4 << 20
_STAMP = re.compile(r"[0-9]{8}T[0-9]{6}Z")


class _OldVM(Fact):
    uuid: Uuid
    name_label: str
    power_state: str = ""


class _Record(Fact):
    """`<time>.json`, version 2: written last, so that a backup exists where it does. `timestamp` is in milliseconds."""

    mode: str
    timestamp: Annotated[int, Field(ge=0, le=2**48)]
    vm: _OldVM
    size: Size | None = None


class OrchestraRepository(Repository):
    """Reads full backups; the disks of incremental ones are chains of VHDs, which is told of each."""

    def __init__(self, target: Target[Settings]) -> None:
        """`target` is not entered yet; it is entered by entering `self.target`, through which nothing is written."""
        super().__init__(OrchestraView(target), "", "xo")
        self._tree = target

    def through(self, wrap: Callable[[Target[Settings]], Target[Settings]]) -> Repository:
        """Wrap what Xen Orchestra's tree lies on, so that it is still only read."""
        return OrchestraRepository(wrap(self._tree))

    def prove(self) -> None:
        """Raise TargetNotProven unless Xen Orchestra's backups lie there, and can be read."""
        label = self._tree.label
        if not any(entry.size is None for entry in self._tree.entries(ROOT)):
            raise TargetNotProven(
                f"target {label}: there are no backups of Xen Orchestra's ({ROOT})",
                advice="Is it mounted? It is the folder that Xen Orchestra calls a remote.",
            )
        try:
            plain = b'"none"' in read_all(self._tree.fetch("encryption.json"), RECORD_LIMIT)
        except (TargetError, ValueError):
            plain = self._tree.stat("encryption.json") is None
        if not plain:
            raise TargetNotProven(f"target {label}: Xen Orchestra has encrypted it, so that only it can read it")

    def initialise(self, identity: Identity, *, not_empty: bool = False) -> None:
        """Refuse: nothing is ever written there."""
        del identity, not_empty
        raise TargetError(f"target {self._tree.label} is Xen Orchestra's, and is only read: it needs no id")

    def scan(self) -> Iterator[Found]:
        """Yield what each record of a VM tells of."""
        for vm in sorted(entry.key for entry in self._tree.entries(ROOT) if entry.size is None):
            for entry in sorted(self._tree.entries(vm), key=lambda entry: entry.key):
                folder, dot, suffix = entry.key.rpartition(".")
                if entry.size is not None and dot + suffix == ".json" and _STAMP.fullmatch(folder.rpartition("/")[2]):
                    yield from self.look(folder)

    def look(self, folder: str) -> Iterable[Found]:
        """Say what the record of that name tells of; nothing if there is none."""
        if self._tree.stat(f"{folder}.json") is None:
            return []
        try:
            return [self._backup(folder)]
        except _NotFull as error:
            return [Broken(folder, str(error), unread=True, foreign=True)]
        except TargetError as error:
            return [Broken(folder, error.message, unread=True)]
        except (ImageError, ValueError) as error:
            return [Broken(folder, f"its record or its image is not to be believed: {_first(error)}")]

    def _backup(self, folder: str) -> Backup:
        record = _Record.model_validate_json(read_all(self._tree.fetch(f"{folder}.json"), RECORD_LIMIT))
        if record.mode != "full":
            raise _NotFull("an incremental backup of Xen Orchestra's, which only it can put together")
        stored = self._tree.stat(f"{folder}.xva")
        if stored is None:
            raise ImageError("its image is missing", position=0)
        if record.size is not None and stored.size != record.size:
            raise ImageError(f"its image has {stored.size:,} bytes instead of {record.size:,}", position=stored.size)
        ova, packing = first_member(self._tree.fetch(f"{folder}.xva"))
        return Backup(self._tree.label, folder, _manifest(folder, record, stored.size, read_ova(ova), packing))


class _NotFull(Exception):
    """A record of something else than a full backup."""


def _manifest(folder: str, record: _Record, size: int, ova: Ova, packing: Packing | None) -> Manifest:
    taken = datetime.fromtimestamp(record.timestamp / 1000, UTC)
    file = Undigested(
        role="image",
        name=IMAGE,
        size=size,
        content_size=size,
        compressor=packing,
        packed_by="host" if packing else None,
    )
    return Manifest(
        run_id=hashlib.sha256(folder.encode()).hexdigest()[:16],
        installation="unknown",
        written_by="Xen Orchestra",
        job="Xen Orchestra",
        method="vm-export",
        pool=PoolFact(uuid="unknown", name="unknown", product="", version=""),
        vm=VMFact(uuid=record.vm.uuid, name=record.vm.name_label, power_state=record.vm.power_state),
        image=Image(format="xva", size=size, disks=tuple(_disks(ova))),
        started=taken,
        snapshot_time=taken,
        finished=taken,
        files=(file,),
    )


def _disks(ova: Ova) -> Iterator[ImageDisk]:
    """Yield the disks as `ova.xml` tells of them: what they hold is known when the image has been read."""
    for number, disk in enumerate(ova.disks):
        yield ImageDisk(
            uuid=disk.uuid,
            name=disk.name,
            position=int(disk.userdevice) if disk.userdevice.isascii() and disk.userdevice.isdigit() else number,
            device=disk.device,
            virtual_size=disk.virtual_size,
            blocks=0,
            data_bytes=0,
            blocks_digest="",
            original_uuid=disk.uuid,
        )


def _first(error: Exception) -> str:
    if isinstance(error, ValidationError):
        found = error.errors(include_url=False, include_input=False)[0]
        return f"{'.'.join(map(str, found['loc']))}: {found['msg']}"
    return error.message if isinstance(error, ImageError) else str(error)
