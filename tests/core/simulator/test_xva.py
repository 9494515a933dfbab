"""The worked example of the archive format: its offsets, sizes, checksums and header bytes."""

import io
import tarfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from vmbackup.simulator import xva
from vmbackup.simulator.chunks import Silence, chunks
from vmbackup.simulator.profiles import Checksum

MIB = 1 << 20
SIZE = 3_670_016
QUIET = Silence(1e9)


class Memory:
    def __init__(self) -> None:
        self.data = bytearray()

    def write(self, parts: Sequence[bytes | memoryview]) -> None:
        for part in parts:
            self.data += part


def archive(path: Path, checksum: Checksum = "xxhash", silence: Silence = QUIET) -> bytes:
    memory = Memory()
    xva.write_member(memory, "ova.xml", b"x" * 6927, 1_700_000_000)
    with path.open("rb") as file:
        for number, data in chunks(file.fileno(), SIZE, silence, frozenset(), lambda _: None):
            xva.write_chunk(memory, "Ref:4", number, data, checksum)
    memory.write([xva.END])
    return bytes(memory.data)


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    path = tmp_path / "disk"
    path.write_bytes(b"XVA!" * (MIB // 4) + bytes(MIB) + b"\xff" * MIB + bytes(MIB // 2))
    return path


def members(data: bytes) -> list[tuple[int, int, str, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as tar:
        return [(one.offset, one.size, one.name, data[one.offset_data :][: min(one.size, 40)]) for one in tar]


def test_the_worked_example_stands_where_it_should(disk: Path) -> None:
    data = archive(disk)
    assert [(offset, size, name) for offset, size, name, _ in members(data)] == [
        (0, 6927, "ova.xml"),
        (7_680, 1_048_576, "Ref:4/00000000"),
        (1_056_768, 16, "Ref:4/00000000.xxhash"),
        (1_057_792, 1_048_576, "Ref:4/00000002"),
        (2_106_880, 16, "Ref:4/00000002.xxhash"),
        (2_107_904, 524_288, "Ref:4/00000003"),
        (2_632_704, 16, "Ref:4/00000003.xxhash"),
    ]
    assert len(data) == 2_634_752
    assert data[2_633_728:] == bytes(1024)


def test_the_checksums_are_those_of_the_example(disk: Path) -> None:
    texts = [text for _, size, _, text in members(archive(disk)) if size == 16]
    assert texts == [b"672ED87B35BB2C4F", b"93E8573813BAC8B4", b"091AB0B4B605C552"]
    old = [text.decode() for _, _, name, text in members(archive(disk, "sha1")) if name.endswith(".checksum")]
    assert old == [
        "22e4a2fb20db4db0c5e91eff8a807536d3a32b8e",
        "bf0b121670df23f2cc64302d9f215e7c81187bbb",
        "6a521e1d2a632c26e53b83d2cc4b0edecfc1e68c",
    ]


def test_a_header_is_v7_byte_for_byte(disk: Path) -> None:
    data = archive(disk)
    header = data[7_680 : 7_680 + 512]
    assert header[:100] == b"Ref:4/00000000".ljust(100, b"\0")
    assert header[100:156] == b"0000400|0000000|0000000|00004000000|00000000000|0006122|".replace(b"|", b"\0")
    assert header[156:] == bytes(512 - 156)
    assert data[136:148] == b"%011o\0" % 1_700_000_000


def test_a_keepalive_takes_a_number_and_no_room(disk: Path) -> None:
    found = members(archive(disk, silence=Silence(1e9, frozenset({1}))))
    names = [(name, size) for _, size, name, _ in found if not name.endswith((".xxhash", ".xml"))]
    assert names == [
        ("Ref:4/00000000", MIB),
        ("Ref:4/00000001", 0),
        ("Ref:4/00000003", MIB),
        ("Ref:4/00000004", MIB // 2),
    ]
    assert [text for _, _, name, text in found if name == "Ref:4/00000001.xxhash"] == [b"EF46DB3751D8E999"]


def test_silence_brings_a_keepalive_but_never_before_first_or_last(disk: Path) -> None:
    found = members(archive(disk, silence=Silence(0.0)))
    empty = [name for _, size, name, _ in found if not size]
    assert empty == ["Ref:4/00000001", "Ref:4/00000003"]


def test_first_and_last_chunk_are_there_even_when_all_is_a_hole(tmp_path: Path) -> None:
    path = tmp_path / "hole"
    with path.open("wb") as file:
        file.truncate(SIZE)
    found = [(name, size) for _, size, name, _ in members(archive(path)) if not name.endswith((".xxhash", ".xml"))]
    assert found == [("Ref:4/00000000", MIB), ("Ref:4/00000003", MIB // 2)]


def test_the_reference_digests_are_right() -> None:
    memory = Memory()
    xva.write_chunk(memory, "Ref:1", 0, bytes(MIB), "xxhash")
    xva.write_chunk(memory, "Ref:1", 1, b"", "sha1")
    texts = [text for _, _, name, text in members(bytes(memory.data) + xva.END) if "." in name]
    assert texts == [b"87D2A1B6E1163EF1", b"da39a3ee5e6b4b0d3255bfef95601890afd80709"]
