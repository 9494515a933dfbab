"""Small images as runs store them, plain or compressed by us or by a host, and backups that hold one."""

import gzip
import random
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import zstandard
from tests.core.builders import START, manifest
from tests.core.images.vhd_writer import BLOCK, Vhd
from tests.core.images.xva_writer import Disk, Machine
from tests.core.stores import begun, folder_of

from vmbackup import TargetError
from vmbackup.images import ImageCheck, RawCheck, VhdCheck, XvaCheck
from vmbackup.manifest import Image, ImageDisk, StoredFile, Verified, WrongFile
from vmbackup.registry import Registry
from vmbackup.repository import Repository
from vmbackup.results import Backup
from vmbackup.slices import Slicing
from vmbackup.stream import Meter
from vmbackup_targets.local import Local

KIB = 1 << 10
REGISTRY = Registry.installed()
UUIDS = ("11111111-0000-4000-8000-00000000000a", "11111111-0000-4000-8000-00000000000b")

Pack = Callable[[bytes], bytes]
# What ends the file's name, the compressor, who compressed, and how.
Way = tuple[str, str | None, str | None, Pack]


def by_us(compressor: str) -> Pack:
    return lambda data: b"".join(bytes(piece) for piece in REGISTRY.compressor(compressor, {}).compress([data]))


def by_zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(level=1, write_checksum=False).compress(data)


PLAIN: Way = ("", None, None, bytes)
HOST_GZIP: Way = (".gz", "gzip", "host", lambda data: gzip.compress(data, 1))
HOST_ZSTD: Way = (".zst", "zstd", "host", by_zstd)
OUR_ZSTD: Way = (".zst", "zstd", "vmbackup", by_us("zstd"))
OUR_GZIP: Way = (".gz", "gzip", "vmbackup", by_us("gzip"))
WAYS = {
    "plain": PLAIN,
    "gzip by the host": HOST_GZIP,
    "gzip by us": OUR_GZIP,
    "zstd by the host": HOST_ZSTD,
    "zstd by us": OUR_ZSTD,
}


def content(seed: int, blocks: int = 5, block: int = 32 * KIB) -> bytes:
    """A disk: blocks of noise, of text and of zeros."""
    chance = random.Random(seed)
    kinds = (chance.randbytes, lambda size: chance.randbytes(16) * (size // 16), bytes)
    return b"".join(kinds[number % 3](block) for number in range(blocks))


def xva() -> tuple[bytes, ImageCheck]:
    disks = [Disk(10 + number, uuid, content(number), userdevice=str(number)) for number, uuid in enumerate(UUIDS)]
    check = XvaCheck({disk.uuid: len(disk.content) for disk in disks})
    return Machine(disks, block=32 * KIB).xva(), check


def raw() -> tuple[bytes, ImageCheck]:
    return content(3), RawCheck(5 * 32 * KIB)


def vhd() -> tuple[bytes, ImageCheck]:
    size = 3 * BLOCK
    return Vhd(size, {0: content(4, blocks=64), 2: bytes(BLOCK)}).stream(), VhdCheck(size)


def make(
    repository: Repository,
    image: tuple[bytes, ImageCheck],
    way: Way = PLAIN,
    at: datetime = START,
) -> Backup:
    """Store a backup of an image, which was proven before."""
    data, check = image
    suffix, compressor, packed_by, pack = way
    check.feed(data)
    evidence = check.close()
    packed, folder = pack(data), folder_of(at)
    repository.begin(folder, begun())
    name = {"xva": "image.xva", "raw": "disk-0.raw", "vhd": "disk-0.vhd"}[evidence.format] + suffix
    stored = Meter([packed])
    slicing = Slicing(stored)
    repository.store(f"{folder}/{name}", slicing)
    small = Meter([b"<value/>"])
    repository.store(f"{folder}/ova.xml", small)
    before = Meter([data], "xxh3-128") if packed_by == "vmbackup" else Meter([packed])
    list(before)
    files = [
        StoredFile.model_validate(
            {
                "role": role,
                "name": file,
                "size": meter.size,
                "sha256": meter.hexdigest,
                "content_size": was.size,
                "content_digest": was.digest,
                "compressor": compressor if role == "image" else None,
                "packed_by": packed_by if role == "image" else None,
                "slices": slicing.slices if role == "image" else None,
            }
        )
        for role, file, meter, was in (("image", name, stored, before), ("metadata", "ova.xml", small, small))
    ]
    disks = [
        ImageDisk(
            uuid=seen.uuid or UUIDS[0],
            position=number,
            virtual_size=seen.virtual_size,
            blocks=seen.blocks,
            data_bytes=seen.data_bytes,
            blocks_digest=seen.blocks_digest,
            original_uuid="bbbb",
        )
        for number, seen in enumerate(evidence.disks)
    ]
    shown = Image.model_validate({"format": evidence.format, "size": evidence.size, "disks": disks})
    return repository.publish(folder, manifest(at=at, files=files).model_copy(update={"image": shown}))


def bytes_backup(repository: Repository, data: bytes, at: datetime = START) -> Backup:
    """Store a backup of bytes that are read as a disk's own."""
    return make(repository, (data, RawCheck(len(data))), at=at)


def image_path(root: Path, backup: Backup) -> Path:
    return root / backup.folder / backup.manifest.files[0].name


def result(level: str = "full", *, days: float = 1, wrong: str = "", finished: bool = True) -> Verified:
    """A kept result, some days after START."""
    return Verified.model_validate(
        {
            "generation": 1,
            "moment": START + timedelta(days=days),
            "level": level,
            "read": 5,
            "seconds": 1.5,
            "written_by": "vmbackup 0",
            "finished": finished,
            "wrong": [WrongFile(file="image.xva", message=wrong)] if wrong else [],
        }
    )


class Unreadable(Local):
    """A target whose disk reports an error behind the first bytes of each image."""

    def fetch(self, key: str, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        for piece in super().fetch(key, offset, length):
            yield piece[:100]
            if "/image" in key:
                raise TargetError(f"{key} could not be read: Input/output error")
