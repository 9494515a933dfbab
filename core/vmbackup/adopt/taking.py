"""One old copy becomes a backup: claimed, given keys, proven, published; or left as it was."""

import hashlib
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from vmbackup.adopt.particulars import Particulars, particulars
from vmbackup.adopt.proving import NO_OVA, Old, name_of, ova_of, prove, unprovable
from vmbackup.adopt.tree import Copy, OldImage
from vmbackup.bench import stored_file
from vmbackup.contracts import Names, OtherNames
from vmbackup.errors import ImageError, TargetError
from vmbackup.keys import folder_name
from vmbackup.manifest import Begun, Image, Manifest, PoolFact, StoredFile, Twin, Verified, VMFact, is_ours
from vmbackup.metadata import GUIDE, SUMS, guide, sums
from vmbackup.repository import Repository, Unfinished
from vmbackup.results import Backup
from vmbackup.stream import Meter
from vmbackup.twins import XML
from vmbackup.verify import Tell, keep
from vmbackup.version import __version__

# The folder on the target below which adopted backups get their keys.
ADOPTED = "adopted"
# An adoption by another machine that has not ended after so long is dead.
STALE = timedelta(days=1)
_UNKNOWN = PoolFact(uuid="unknown", name="unknown", product="", version="")
Word = Literal["adopted", "already", "left", "wrong", "unread"]


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of one copy; `message` says why it was left, what is wrong with it, or why it could not be read."""

    copy: Copy
    word: Word
    message: str = ""
    backup: Backup | None = None


def clear(repository: Repository, installation: str) -> Iterator[str]:
    """Take back what dead adoptions have begun, and finish removals; yield what others are adopting at this moment.

    The caller is the only one of its installation. Raises TargetError.
    """
    for found in list(repository.scan()):
        begun = found.begun if isinstance(found, Unfinished) else None
        if not isinstance(found, Unfinished) or begun is None or begun.twin is None or not begun.twin.adopted:
            continue
        if found.trashed:
            repository.finish_removal(found.folder)
        elif begun.installation == installation or datetime.now(UTC) - begun.started > STALE:
            repository.abandon(found.folder)
        else:
            yield "/".join(begun.twin.folder)


def known(repository: Repository) -> dict[Names, Backup]:
    """Return the backups that have second names, by the folder of these: adopted ones, and those laid out so by us."""
    found = ((backup, repository.begun(backup.folder)) for backup in repository.backups())
    return {begun.twin.folder: backup for backup, begun in found if begun and begun.twin}


class Adopter:
    """Adopts copies on one target, whose repository is proven, for the retention of one job."""

    def __init__(self, repository: Repository, other: OtherNames, begun: Begun, job: str) -> None:
        """`other` are the target's other names; `begun` says who adopts."""
        self._repository = repository
        self._other = other
        self._begun = begun
        self._job = job

    def adopt(self, copy: Copy, tell: Tell) -> Attempt:
        """Adopt a copy, if it is whole. `tell` is told of the bytes that are read."""
        if copy.left or copy.image is None:
            return Attempt(copy, "left", copy.left)
        try:
            told = particulars(self._other, copy.folder)
            if reason := unprovable(copy.image, told):
                return Attempt(copy, "left", reason)
            return Attempt(copy, "adopted", backup=self._adopt(copy, copy.image, told, tell))
        except ImageError as error:
            return Attempt(copy, "wrong", error.message)
        except TargetError as error:
            return Attempt(copy, "unread", error.message)

    def _adopt(self, copy: Copy, image: OldImage, told: Particulars, tell: Tell) -> Backup:
        digest = hashlib.sha256(copy.path.encode()).hexdigest()
        # A VM that nothing identifies is still the same one in all copies below the same folder.
        uuid = told.uuid or f"{hashlib.sha256(copy.vm.encode()).hexdigest()[:8]}-unknown"
        folder = f"{ADOPTED}/{folder_name(copy.vm, uuid)}/{copy.taken:%Y%m%dT%H%M%SZ}-{digest[:4]}"
        twin = Twin(folder=copy.folder, stem=image.stem, adopted=True)
        self._repository.begin(folder, self._begun.model_copy(update={"twin": twin, "started": datetime.now(UTC)}))
        try:
            started = time.monotonic()
            old = Old(f"{folder}/{name_of(image, told)}", image, told)
            manifest = self._fill(folder, copy, old, VMFact(uuid=uuid, name=copy.vm, power_state="unknown"), tell)
            backup = self._repository.publish(folder, manifest.model_copy(update={"adopted": twin}))
        except BaseException:
            with suppress(TargetError):
                self._repository.abandon(folder)
            raise
        return self._verified(backup, time.monotonic() - started)

    def _fill(self, folder: str, copy: Copy, old: Old, vm: VMFact, tell: Tell) -> Manifest:
        """Give the files their keys, read them, and write what people need; return the manifest to publish."""
        told = old.told
        self._other.give_key((*copy.folder, old.image.file.name), old.key)
        if old.image.format == "xva":
            ova = ova_of(old, self._repository)
            files = [self._small(folder, "metadata", "ova.xml", ova)]
        elif told.xml is not None:
            ova = told.xml
            files = [self._linked(folder, (*copy.folder, XML), "ova.xml")]
        else:
            ova = NO_OVA
            files = [self._small(folder, "metadata", "ova.xml", ova)]
        cfgs = {names: "/".join(names[len(copy.folder) :]) for names in told.files if names[-1] != XML}
        files += [self._linked(folder, names, name) for names, name in cfgs.items() if is_ours(name)]
        proven = prove(old, ova, self._repository, tell)
        manifest = self._manifest(copy, vm, proven.image, (proven.file, *files))
        files.append(self._small(folder, "guide", GUIDE, guide(manifest)))
        files.append(self._small(folder, "guide", SUMS, sums((proven.file, *files))))
        return manifest.model_copy(update={"files": (proven.file, *files)})

    def _manifest(self, copy: Copy, vm: VMFact, image: Image, files: Iterable[StoredFile]) -> Manifest:
        return Manifest(
            run_id=self._begun.run_id,
            installation=self._begun.installation,
            written_by=f"NAU VMbackup, adopted by vmbackup {__version__}",
            job=self._job,
            method="vm-export" if image.format == "xva" else "vdi-export",
            pool=_UNKNOWN,
            vm=vm,
            image=image,
            started=copy.taken,
            snapshot_time=copy.taken,
            finished=copy.taken,
            files=tuple(files),
        )

    def _small(self, folder: str, role: str, name: str, data: bytes) -> StoredFile:
        meter = Meter([data])
        self._repository.store(f"{folder}/{name}", meter)
        return stored_file(role, name, meter, meter)

    def _linked(self, folder: str, names: tuple[str, ...], name: str) -> StoredFile:
        self._other.give_key(names, f"{folder}/{name}")
        meter = Meter(self._repository.target.fetch(f"{folder}/{name}"))
        for _ in meter:
            pass
        return stored_file("metadata", name, meter, meter)

    def _verified(self, backup: Backup, seconds: float) -> Backup:
        """Keep that the whole of it was read and is good; where that cannot be kept, it is as if it was never read."""
        result = Verified(
            generation=1,
            moment=datetime.now(UTC).replace(microsecond=0),
            level="full",
            read=backup.size,
            seconds=round(seconds, 1),
            written_by=f"vmbackup {__version__}",
        )
        try:
            keep(result, backup, self._repository)
        except TargetError:
            return backup
        return Backup(backup.target, backup.folder, backup.manifest, (result,))
