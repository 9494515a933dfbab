"""An old image read whole and proven, with the checks that a new one passes, and what its manifest says of it then."""

from contextlib import closing
from dataclasses import dataclass
from typing import Literal

from vmbackup.adopt.particulars import OldDisk, Particulars
from vmbackup.adopt.tree import OldImage
from vmbackup.bench import stored_file
from vmbackup.images import (
    DiskEvidence,
    Evidence,
    ImageCheck,
    PackedCheck,
    RawCheck,
    VhdCheck,
    XvaCheck,
    first_member,
    read_ova,
)
from vmbackup.manifest import Image, ImageDisk, StoredFile
from vmbackup.repository import Repository
from vmbackup.slices import Slicing
from vmbackup.stream import Meter, ahead, counted
from vmbackup.verify import Tell

GZIP: Literal["gzip"] = "gzip"
# What a live VM's metadata is where none was kept: a restore can bring the disk back, and no VM around it.
NO_OVA = (
    b"<value><struct><member><name>version</name><value><struct></struct></value></member>"
    b"<member><name>objects</name><value><array><data></data></array></value></member></struct></value>\n"
)


@dataclass(frozen=True, slots=True)
class Old:
    """An old image, the key that it has got, and what the small files beside it tell."""

    key: str
    image: OldImage
    told: Particulars


@dataclass(frozen=True, slots=True)
class Proven:
    """An image that is whole: its file and what is in it, as a manifest says it."""

    file: StoredFile
    image: Image


def name_of(image: OldImage, told: Particulars) -> str:
    """Return what the image is called below a key."""
    packed = ".gz" if image.gzip else ""
    disk = told.first_disk
    position = disk.position if disk and disk.position is not None else 0
    return f"{'image' if image.format == 'xva' else f'disk-{position}'}.{image.format}{packed}"


def unprovable(image: OldImage, told: Particulars) -> str:
    """Say why nobody could tell a whole image from a short one, or ""."""
    known = told.first_disk is not None and told.first_disk.virtual_size is not None
    return "" if image.format == "xva" or known else "nothing tells how large its disk was, so that it could be short"


def ova_of(old: Old, repository: Repository) -> bytes:
    """Return `ova.xml` out of an XVA. Raises ImageError where it does not begin with one, and TargetError."""
    ova, _ = first_member(repository.target.fetch(old.key))
    read_ova(ova)
    return ova


def prove(old: Old, ova: bytes, repository: Repository, tell: Tell) -> Proven:
    """Read an image from its first byte to its last. Raises ImageError and TargetError.

    An XVA that is gzip was packed by the host, which takes it back as it is.
    """
    image, told = old.image, old.told
    check = _check(image, told)
    stored = Meter(counted(repository.target.fetch(old.key), tell))
    slicing = Slicing(stored)
    with closing(ahead(iter(slicing))) as read:
        for piece in read:
            check.feed(piece)
    evidence = check.close()
    name = old.key.rpartition("/")[2]
    file = stored_file("image", name, stored, stored)
    packed = {"compressor": GZIP, "packed_by": "host"} if image.gzip else {}
    disks = _xva_disks(evidence, ova, told) if image.format == "xva" else (_only_disk(evidence, told),)
    facts = {"format": image.format, "size": evidence.size, "disks": disks}
    return Proven(file.model_copy(update={**packed, "slices": slicing.slices}), Image.model_validate(facts))


def _check(image: OldImage, told: Particulars) -> ImageCheck:
    if image.format == "xva":
        return PackedCheck(GZIP, XvaCheck()) if image.gzip else XvaCheck()
    size = told.first_disk.virtual_size if told.first_disk else None
    assert size is not None  # noqa: S101 - `unprovable` has looked
    return RawCheck(size) if image.format == "raw" else VhdCheck(size)


def _xva_disks(evidence: Evidence, ova: bytes, told: Particulars) -> tuple[ImageDisk, ...]:
    seen = {disk.uuid: disk for disk in evidence.disks}
    disks = []
    for number, disk in enumerate(read_ova(ova).disks):
        position = int(disk.userdevice) if disk.userdevice.isascii() and disk.userdevice.isdigit() else number
        disks.append(_image_disk(seen[disk.uuid], position, disk.device, disk.name, told.disk_at(position)))
    return tuple(disks)


def _only_disk(evidence: Evidence, told: Particulars) -> ImageDisk:
    disk = told.first_disk
    assert disk is not None  # noqa: S101 - `unprovable` has looked
    return _image_disk(evidence.disks[0], disk.position or 0, disk.device, disk.name, disk)


def _image_disk(proof: DiskEvidence, position: int, device: str, name: str, old: OldDisk | None) -> ImageDisk:
    original = (old.uuid if old else "") or proof.uuid or "unknown"
    return ImageDisk(
        uuid=proof.uuid or original,
        name=name,
        position=position,
        device=device,
        virtual_size=proof.virtual_size,
        blocks=proof.blocks,
        data_bytes=proof.data_bytes,
        blocks_digest=proof.blocks_digest,
        original_uuid=original,
    )
