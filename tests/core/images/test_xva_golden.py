"""The worked example of the format's description, byte for byte."""

from dataclasses import dataclass

import pytest
from tests.core.images.reading import check_whole, refusal
from tests.core.images.xva_writer import MIB, Disk, File, Machine, disk_files, tar

from vmbackup.images import XvaCheck

UUID = "77777777-7777-4777-8777-777777777777"
CONTENT = b"XVA!" * (MIB // 4) + bytes(MIB) + b"\xff" * MIB + bytes(MIB // 2)
OVA_BYTES = 6927
EXPECTED = {UUID: 3_670_016}


def example(kind: str = ".xxhash", silent: frozenset[int] = frozenset()) -> list[File]:
    """The members of the example; what its records leave out is filled up to the length of the real ova.xml."""
    disk = Disk(4, UUID, CONTENT)
    short = len(Machine([disk], vm={"name_description": ""}).ova())
    ova = Machine([disk], vm={"name_description": "." * (OVA_BYTES - short)}).ova()
    return [File("ova.xml", ova, mtime=1_704_067_200), *disk_files("Ref:4", CONTENT, kind=kind, silent=silent)]


@dataclass(frozen=True)
class Row:
    header: int
    size: int
    name: str
    text: bytes = b""


ROWS = [
    Row(0, 6927, "ova.xml"),
    Row(7_680, 1_048_576, "Ref:4/00000000"),
    Row(1_056_768, 16, "Ref:4/00000000.xxhash", b"672ED87B35BB2C4F"),
    Row(1_057_792, 1_048_576, "Ref:4/00000002"),
    Row(2_106_880, 16, "Ref:4/00000002.xxhash", b"93E8573813BAC8B4"),
    Row(2_107_904, 524_288, "Ref:4/00000003"),
    Row(2_632_704, 16, "Ref:4/00000003.xxhash", b"091AB0B4B605C552"),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_the_example_lies_where_its_table_says(row: Row) -> None:
    image = tar(example())
    assert image[row.header : row.header + 100] == row.name.encode().ljust(100, b"\0")
    assert image[row.header + 124 : row.header + 136] == b"%011o\0" % row.size
    assert image[row.header + 512 :].startswith(row.text)


def test_the_example_has_the_header_that_is_written_down() -> None:
    fields = tar(example())[7_680 + 100 : 7_680 + 156].decode().split("\0")
    assert fields == ["0000400", "0000000", "0000000", "00004000000", "00000000000", "0006122", ""]


def test_the_example_is_whole() -> None:
    image = tar(example())
    assert len(image) == 2_634_752
    evidence = check_whole(XvaCheck(EXPECTED), image)
    assert (evidence.format, evidence.size) == ("xva", 2_634_752)
    (disk,) = evidence.disks
    assert (disk.uuid, disk.virtual_size, disk.blocks, disk.data_bytes) == (UUID, 3_670_016, 3, 2_621_440)


def test_a_silent_host_writes_an_empty_block_which_changes_no_content() -> None:
    files = example(silent=frozenset({1}))
    assert [file.name for file in files[1::2]] == [f"Ref:4/0000000{number}" for number in (0, 1, 3, 4)]
    assert (files[3].data, files[4].data) == (b"", b"EF46DB3751D8E999")
    silent, plain = check_whole(XvaCheck(EXPECTED), tar(files)), check_whole(XvaCheck(EXPECTED), tar(example()))
    assert silent.disks == plain.disks


def test_hosts_up_to_8_0_write_sha1() -> None:
    files = example(kind=".checksum")
    assert [file.data.decode() for file in files[2::2]] == [
        "22e4a2fb20db4db0c5e91eff8a807536d3a32b8e",
        "bf0b121670df23f2cc64302d9f215e7c81187bbb",
        "6a521e1d2a632c26e53b83d2cc4b0edecfc1e68c",
    ]
    (disk,) = check_whole(XvaCheck(EXPECTED), tar(files)).disks
    assert (disk.blocks, disk.data_bytes) == (3, 2_621_440)


def test_the_position_of_a_fault_is_told() -> None:
    image = bytearray(tar(example()))
    image[1_057_792 + 512 + 77] ^= 1
    message = refusal(XvaCheck(EXPECTED), bytes(image))
    assert message == "block Ref:4/00000002 does not match its checksum (xxhash) (at byte 2,107,408 of the image)"
