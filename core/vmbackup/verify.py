"""Reading a stored backup back and proving it again: digests of what lies there, and the image's own structure."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from typing_extensions import Buffer

from vmbackup.errors import ImageError, TargetError
from vmbackup.images import Evidence, ImageCheck, PackedCheck, RawCheck, VhdCheck, XvaCheck
from vmbackup.manifest import Image, StoredFile
from vmbackup.registry import Registry
from vmbackup.repository import Repository
from vmbackup.results import Backup
from vmbackup.stream import Meter, ahead, counted

Tell = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Wrong:
    """One thing that is wrong with a stored backup. `unread` tells a file that could not be read from a wrong one."""

    file: str
    message: str
    unread: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a verification found; `read` is in bytes."""

    backup: Backup
    wrong: tuple[Wrong, ...]
    read: int

    @property
    def good(self) -> bool:
        """Whether the backup is what its manifest says."""
        return not self.wrong


def verify(backup: Backup, repository: Repository, registry: Registry, tell: Tell = lambda _: None) -> Verdict:
    """Read every file of a backup and check it against its manifest; `tell` is told of the bytes that were read."""
    wrong: list[Wrong] = []
    read = 0

    def count(size: int) -> None:
        nonlocal read
        read += size
        tell(size)

    for file in backup.manifest.files:
        try:
            _verify_file(backup, file, repository, registry, count)
        except ImageError as error:
            wrong.append(Wrong(file.name, error.message))
        except TargetError as error:
            wrong.append(Wrong(file.name, error.message, unread=True))
    return Verdict(backup, tuple(wrong), read)


def content(
    backup: Backup, file: StoredFile, repository: Repository, registry: Registry, tell: Tell = lambda _: None
) -> Iterator[Buffer]:
    """Yield a file as it was before our compression. At its end it has proven to be what the manifest says.

    Raises ImageError where it is not, TargetError where it cannot be read.
    """
    stored = Meter(counted(ahead(repository.target.fetch(f"{backup.folder}/{file.name}")), tell))
    # Without compression of ours both digests are of the same bytes, which are then hashed once.
    unpacked = Meter(unpack(file, stored, registry)) if file.packed_by == "vmbackup" else stored
    yield from unpacked
    if (stored.size, stored.sha256) != (file.size, file.sha256):
        raise ImageError(f"{file.name} is not what was stored: its SHA-256 has changed", position=stored.size)
    if (unpacked.size, unpacked.sha256) != (file.content_size, file.content_sha256):
        raise ImageError(f"{file.name} does not unpack to what was backed up", position=unpacked.size)


def unpack(file: StoredFile, stored: Iterable[Buffer], registry: Registry) -> Iterable[Buffer]:
    """Undo our compression, if there is any; what a host compressed is left as the host takes it back."""
    if file.packed_by != "vmbackup" or file.compressor is None:
        return stored
    return registry.compressor(file.compressor, {}).decompress(stored)


def image_check(image: Image, file: StoredFile) -> ImageCheck:
    """Return the check for a stored image, as strict as the one that it passed when it was written."""
    if image.format == "xva":
        whole: ImageCheck = XvaCheck({disk.uuid: disk.virtual_size for disk in image.disks})
    else:
        size = image.disks[0].virtual_size if image.disks else 0
        whole = RawCheck(size) if image.format == "raw" else VhdCheck(size)
    return PackedCheck(file.compressor, whole) if file.packed_by == "host" and file.compressor else whole


def _verify_file(backup: Backup, file: StoredFile, repository: Repository, registry: Registry, tell: Tell) -> None:
    image = backup.manifest.image
    pieces = content(backup, file, repository, registry, tell)
    if file.role != "image" or image is None:
        for _ in pieces:
            pass
        return
    check = image_check(image, file)
    for piece in pieces:
        check.feed(piece)
    _same(check.close(), image)


def _same(evidence: Evidence, image: Image) -> None:
    """Raise ImageError unless the disks hold the blocks that they held when the backup was made."""
    before = sorted(disk.blocks_digest for disk in image.disks)
    if sorted(disk.blocks_digest for disk in evidence.disks) != before:
        raise ImageError("the image holds other blocks than when it was written", position=evidence.size)
