"""A disk written as a VHD stream is that disk to our own check and to qemu-img."""

import json
import random
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest
from tests.core.images.reading import check_whole
from tests.core.images.vhd_writer import Vhd
from typing_extensions import Buffer

from vmbackup.images import VHD_BLOCK, VHD_LIMIT, VhdCheck, vhd_size, vhd_stream

MIB = 1 << 20
# qemu-img takes a VHD's size from its geometry unless it is told to go by the size, as hosts do.
VHD = "driver=vpc,force_size_calc=current_size,file.driver=file,file.filename={}"
CASES = [
    (7 * MIB, ()),
    (7 * MIB, (0,)),
    (7 * MIB, (3,)),
    (7 * MIB, (1, 2)),
    (7 * MIB, (0, 1, 2, 3)),
    (4 * MIB, (0, 1)),
    (512, (0,)),
    (VHD_BLOCK + 512, (1,)),
    (3 * MIB + 1536, (0, 1)),
    (300 * MIB + 512, (0, 64, 128, 150)),
]


def block(index: int, size: int) -> bytes:
    """A block of noise, behind the end of the disk zero."""
    inside = min(VHD_BLOCK, size - index * VHD_BLOCK)
    return random.Random(index).randbytes(inside).ljust(VHD_BLOCK, b"\0")


def joined(pieces: Iterable[Buffer]) -> bytes:
    return b"".join(map(bytes, pieces))


def stream(size: int, used: tuple[int, ...]) -> bytes:
    return joined(vhd_stream(size, used, (block(index, size) for index in used)))


def raw(size: int, used: tuple[int, ...]) -> bytes:
    disk = bytearray(-(-size // VHD_BLOCK) * VHD_BLOCK)
    for index in used:
        disk[index * VHD_BLOCK : (index + 1) * VHD_BLOCK] = block(index, size)
    return bytes(disk[:size])


@pytest.mark.parametrize(("size", "used"), CASES)
def test_the_check_reads_the_disk_back(size: int, used: tuple[int, ...]) -> None:
    found = bytearray(size)

    def sink(offset: int, piece: Buffer) -> None:
        octets = bytes(piece)
        found[offset : offset + len(octets)] = octets

    image = stream(size, used)
    assert len(image) == vhd_size(size, used)
    (disk,) = check_whole(VhdCheck(size, sink), image).disks
    assert (disk.virtual_size, disk.blocks) == (size, len(used))
    assert found == raw(size, used)


@pytest.mark.parametrize(("size", "used"), CASES)
def test_qemu_reads_the_disk_back(tmp_path: Path, size: int, used: tuple[int, ...]) -> None:
    image, expected, made = (tmp_path / name for name in ("disk.vhd", "disk.raw", "made.raw"))
    image.write_bytes(stream(size, used))
    expected.write_bytes(raw(size, used))
    options = ["--image-opts", VHD.format(image)]
    told = json.loads(qemu("info", "--output=json", *options))
    assert (told["format"], told["virtual-size"]) == ("vpc", size)
    qemu("compare", *options, f"driver=raw,file.driver=file,file.filename={expected}")
    qemu("convert", "-O", "raw", *options, str(made))
    assert made.read_bytes() == expected.read_bytes()


def test_the_structure_is_that_of_a_writer_made_from_the_format_alone() -> None:
    size, used = 7 * MIB, (1, 3)
    other = Vhd(size, {index: block(index, size) for index in used})
    ours = stream(size, used)
    assert ours[512 : -512 - 4] == other.stream()[512 : -512 - 4]
    fields = ours[:512]
    assert fields == ours[-512:]
    # All but who made it, the checksum and the UUID.
    for at in (slice(28), slice(40, 64), slice(84, 512)):
        assert fields[at] == other.footer()[at], at


def test_two_streams_are_two_images() -> None:
    one, other = (stream(MIB, (0,)) for _ in range(2))
    assert one[68:84] != other[68:84]


def test_the_largest_disk() -> None:
    used = (0, VHD_LIMIT // VHD_BLOCK - 1)
    image = joined(vhd_stream(VHD_LIMIT, used, [bytes(VHD_BLOCK)] * 2))
    assert len(image) == vhd_size(VHD_LIMIT, used)
    assert check_whole(VhdCheck(VHD_LIMIT), image).disks[0].blocks == 2


def qemu(*arguments: str) -> str:
    return subprocess.run(["qemu-img", *arguments], check=True, capture_output=True, text=True).stdout
