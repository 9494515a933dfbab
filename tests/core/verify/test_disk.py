from pathlib import Path

import pytest
from tests.core.images.vhd_writer import BLOCK, Vhd
from tests.core.verify.images import REGISTRY, UUIDS, WAYS, content, image_path, make, raw, xva
from typing_extensions import Buffer

from vmbackup.errors import ImageError
from vmbackup.images import VhdCheck
from vmbackup.manifest import ImageDisk
from vmbackup.repository import Repository
from vmbackup.results import Backup
from vmbackup.verify import StoredDisk


class Gathered:
    """A disk as a sink was given it."""

    def __init__(self, size: int) -> None:
        self.data = bytearray(size)
        self.end = 0

    def __call__(self, offset: int, piece: Buffer) -> None:
        assert offset >= self.end, "offsets rise"
        octets = bytes(piece)
        self.end = offset + len(octets)
        assert self.end <= len(self.data), "nothing comes from behind the disk's end"
        self.data[offset : self.end] = octets


def disks(backup: Backup) -> dict[str, ImageDisk]:
    assert backup.manifest.image is not None
    return {disk.uuid: disk for disk in backup.manifest.image.disks}


def read(repository: Repository, backup: Backup, uuid: str) -> bytes:
    disk = disks(backup)[uuid]
    gathered, told = Gathered(disk.virtual_size), list[int]()
    StoredDisk(backup, disk, repository, REGISTRY).read(gathered, told.append)
    assert sum(told) == backup.manifest.files[0].size
    return bytes(gathered.data)


@pytest.mark.parametrize("way", WAYS)
def test_each_disk_of_an_xva_by_itself(repository: Repository, way: str) -> None:
    backup = make(repository, xva(), WAYS[way])
    for number, uuid in enumerate(UUIDS):
        assert read(repository, backup, uuid) == content(number)


def test_a_raw_disk(repository: Repository) -> None:
    assert read(repository, make(repository, raw()), UUIDS[0]) == content(3)


def test_a_vhd_ends_where_the_disk_does_and_not_with_its_last_block(repository: Repository) -> None:
    size, last = BLOCK + 512, b"\7" * BLOCK
    backup = make(repository, (Vhd(2 * BLOCK, {1: last}).stream(), VhdCheck(size)))
    assert read(repository, backup, UUIDS[0]) == bytes(BLOCK) + last[:512]


def test_damage_in_one_disk_is_told_to_who_reads_another(root: Path, repository: Repository) -> None:
    backup = make(repository, xva())
    path = image_path(root, backup)
    data = bytearray(path.read_bytes())
    data[data.rindex(content(1)[:1000])] ^= 1
    path.write_bytes(data)
    with pytest.raises(ImageError, match="does not match its checksum"):
        read(repository, backup, UUIDS[0])
