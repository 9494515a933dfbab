import struct

import pytest
import zstandard
from tests.plugins.compressors.streams import MIB, cut

from vmbackup import ImageError
from vmbackup.conformance import refuses_hostile
from vmbackup.conformance.content import noise
from vmbackup.conformance.packing import content
from vmbackup_compressors.zstd.compressor import Zstd, ZstdSettings
from vmbackup_compressors.zstd.packing import FRAME, pack
from vmbackup_compressors.zstd.table import Entry, seek_table
from vmbackup_compressors.zstd.unpacking import WINDOW, unpack

MAGIC = b"\x28\xb5\x2f\xfd"
DATA = content(3 * FRAME + 5)


def frames(data: bytes = DATA) -> list[bytes]:
    """The frames of an image, and their table."""
    stream = b"".join(pack([data], level=1, threads=1, long=False))
    made, place = [], 0
    for _ in range(0, len(data), FRAME):
        frame = zstandard.ZstdDecompressor().decompressobj()
        frame.decompress(stream[place:])
        made.append(stream[place : len(stream) - len(frame.unused_data)])
        place += len(made[-1])
    return [*made, stream[place:]]


def listed(*made: bytes) -> bytes:
    """Frames with a table of just these."""
    sizes = [zstandard.get_frame_parameters(frame).content_size for frame in made]
    table = [Entry(len(frame), size, frame[-4:]) for frame, size in zip(made, sizes, strict=True)]
    return b"".join(made) + seek_table(table)


def unpacked(stream: bytes, size: int = MIB) -> bytes:
    return b"".join(unpack(cut(stream, size), threads=2))


def old(data: bytes, level: int, threads: int = 0) -> bytes:
    """A file as vmbackup wrote it before it had a seek table: one frame that does not say what it holds."""
    compressor = zstandard.ZstdCompressor(level=level, threads=threads, write_checksum=True)
    chunker = compressor.chunker(chunk_size=MIB)
    parts = [part for chunk in cut(data, MIB) for part in chunker.compress(chunk)]
    return b"".join([*parts, *chunker.finish()])  # type: ignore[no-untyped-call] # zstandard's stubs leave it bare


@pytest.mark.parametrize("settings", [{"level": 3}, {"level": 3, "threads": 2}, {"level": 19, "threads": 1}])
@pytest.mark.parametrize("size", [1, 5 * MIB, FRAME, FRAME + 5 * MIB])
def test_single_frames_of_earlier_versions_are_still_read(size: int, settings: dict[str, int]) -> None:
    data = content(size)
    assert unpacked(old(data, **settings), size=777_777) == data


def test_a_single_frame_of_an_earlier_version_ends_only_at_its_end() -> None:
    file = old(noise(MIB) + bytes(2 * MIB), level=3)
    for end in (*range(30), len(file) // 2, *range(len(file) - 20, len(file))):
        with pytest.raises(ImageError, match="ends in the middle"):
            unpacked(file[:end])
    for garbage in (b"\0", b"\0" * 512, b"HTTP/1.1 500 Internal Server Error\r\n", file):
        with pytest.raises(ImageError, match="foreign bytes"):
            unpacked(file + garbage)
    damaged = bytearray(file)
    damaged[MIB // 2] ^= 1
    with pytest.raises(ImageError, match="damaged"):
        unpacked(bytes(damaged))


def test_frames_that_are_missing_are_missed() -> None:
    first, second, third, last, table = frames()
    assert unpacked(listed(first, second, third, last)) == DATA
    for wrong in (
        [first, third, last, table],
        [second, first, third, last, table],
        [first, second, third, last, last, table],
        [first, second, third, table],
    ):
        with pytest.raises(ImageError, match="its table does not list these frames"):
            unpacked(b"".join(wrong))


def test_a_stream_that_is_cut_between_two_frames_is_short() -> None:
    made = frames()
    for count in range(1, len(made)):
        with pytest.raises(ImageError, match="ends in the middle") as raised:
            unpacked(b"".join(made[:count]))
        assert raised.value.position == min(count * FRAME, len(DATA))


def test_another_file_behind_the_table_is_foreign() -> None:
    file = b"".join(frames())
    with pytest.raises(ImageError, match="foreign bytes"):
        unpacked(file + file)


def test_damage_is_told_with_the_place_of_its_frame() -> None:
    made = frames()
    made[1] = made[1][:5000] + bytes([made[1][5000] ^ 1]) + made[1][5001:]
    with pytest.raises(ImageError, match="damaged") as raised:
        unpacked(b"".join(made))
    assert raised.value.position == FRAME


@pytest.mark.parametrize("stream", [b"\x1f\x8b" + bytes(100), b"not compressed at all", bytes(1 << 20)])
def test_what_is_no_zstd_is_damaged(stream: bytes) -> None:
    with pytest.raises(ImageError, match="damaged"):
        unpacked(stream)


def test_a_frame_without_a_checksum_is_refused() -> None:
    plain = zstandard.ZstdCompressor(write_checksum=False).compress(b"data")
    with pytest.raises(ImageError, match="without a checksum"):
        unpacked(listed(plain))


def windowed(bits: int) -> bytes:
    """A frame that asks for a window of so many bits, and holds one byte."""
    wide = zstandard.ZstdCompressionParameters(window_log=bits, strategy=1, write_checksum=1)
    stream = zstandard.ZstdCompressor(compression_params=wide).compressobj()
    data = stream.compress(b"a") + stream.flush()
    assert zstandard.get_frame_parameters(data).window_size == 1 << bits
    return data


def test_a_window_larger_than_zstd_takes_is_refused() -> None:
    assert unpacked(windowed(27)) == b"a"
    for bits in (28, 31):
        with pytest.raises(ImageError, match=f"asks for {1 << bits:,} bytes of memory, and {WINDOW:,} are given"):
            unpacked(windowed(bits))


def claims(size: int, blocks: bytes) -> bytes:
    """A frame that says that it holds `size` bytes, in a window of 1 KiB."""
    return MAGIC + b"\xc4\x00" + struct.pack("<Q", size) + blocks + b"1234"


RLE = (128 << 10 << 3 | 2).to_bytes(3, "little") + b"\0"
RAW = (128 << 10 << 3).to_bytes(3, "little") + bytes(128 << 10)
HOSTILE = {
    "a window of 2 GiB": windowed(31),
    "a frame that is its own window, of 2 GiB": MAGIC + b"\xa4" + struct.pack("<I", 1 << 31) + RLE,
    "content of 2 GiB, claimed": claims(1 << 31, RLE),
    "more content than is claimed": claims(FRAME, RLE * 100_000),
    "blocks without end": claims(FRAME, RAW * 200),
    "all the window that there is, and then damage": windowed(27)[:6] + RLE * 4096 + b"\7\0\0",
}


@pytest.mark.parametrize("stream", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_stream_is_refused_and_takes_little_memory(stream: bytes) -> None:
    refuses_hostile(Zstd("zstd", ZstdSettings()), stream)


@pytest.mark.parametrize("number", [(1 << 20 << 3) | 1, 7])
def test_blocks_of_no_known_kind_or_size_are_damage(number: int) -> None:
    with pytest.raises(ImageError, match="a block of no known kind or size"):
        unpacked(claims(5, number.to_bytes(3, "little")))
