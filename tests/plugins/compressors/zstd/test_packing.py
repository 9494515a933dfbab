import struct
import subprocess
import sysconfig
from pathlib import Path

import xxhash
import zstandard
from tests.plugins.compressors.streams import MIB, cut

from vmbackup.conformance.content import noise
from vmbackup.conformance.packing import content
from vmbackup_compressors.zstd.packing import FRAME, pack

DATA = content(2 * FRAME + 5 * MIB + 3)


def stream(data: bytes = DATA) -> bytes:
    return b"".join(pack(cut(data, 3 * MIB + 1), level=1, threads=2, long=False))


def entries(file: bytes) -> list[tuple[int, int, int]]:
    """The seek table by the words of zstd's description: found from the end."""
    frames, descriptor, magic = struct.unpack("<IBI", file[-9:])
    assert (descriptor, magic) == (0x80, 0x8F92EAB1)
    size = frames * 12 + 9
    assert struct.unpack("<II", file[-size - 8 : -size]) == (0x184D2A5E, size)
    return list(struct.iter_unpack("<III", file[-size:-9]))


def test_the_table_is_zstd_s_own_and_each_frame_can_be_had_by_itself() -> None:
    file = stream()
    packed = content = 0
    for size, length, checksum in entries(file):
        data = zstandard.ZstdDecompressor().decompress(file[packed : packed + size])
        assert data == DATA[content : content + length]
        assert checksum == xxhash.xxh64_intdigest(data) & 0xFFFFFFFF
        assert length == FRAME or content + length == len(DATA)
        packed += size
        content += length
    assert content == len(DATA)
    assert struct.unpack_from("<I", file, packed) == (0x184D2A5E,)


def test_zstd_itself_counts_the_frames_and_finds_their_checksums(tmp_path: Path) -> None:
    (tmp_path / "image.zst").write_bytes(stream())
    done = subprocess.run(
        ["zstd", "-l", "-v", "image.zst"], cwd=tmp_path, check=True, capture_output=True, text=True, env={"LC_ALL": "C"}
    )
    said = dict(line.split(":", 1) for line in done.stdout.splitlines() if ":" in line)
    assert said["# Zstandard Frames"].strip() == "3"
    assert said["# Skippable Frames"].strip() == "1"
    assert said["Check"].strip().startswith("XXH64")


def test_an_image_of_no_bytes_is_one_frame() -> None:
    assert [(length, checksum) for _, length, checksum in entries(stream(b""))] == [(0, 0x51D8E999)]


def test_frames_of_zeros_are_the_same_and_small() -> None:
    file = stream(bytes(64 * FRAME))
    table = entries(file)
    assert len(set(table)) == 1
    assert table[0][0] < 2048
    assert zstandard.ZstdDecompressor().decompress(file[: table[0][0]]) == bytes(FRAME)


def test_a_piece_is_never_overwritten_while_somebody_holds_it() -> None:
    data = noise(FRAME)
    frames = [data[number:] + data[:number] for number in range(8)]
    kept = [(piece, bytes(piece)) for piece in pack(frames, level=1, threads=3, long=False)]
    assert all(memoryview(piece) == then for piece, then in kept)
    file, start = b"".join(piece for piece, _ in kept), 0
    for (size, _, _), frame in zip(entries(file), frames, strict=True):
        assert zstandard.ZstdDecompressor().decompress(file[start : start + size]) == frame
        start += size


def test_level_3_packs_as_small_as_the_program_does(tmp_path: Path) -> None:
    sources = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))
    data = b"".join(source.read_bytes() for source in sources)
    (tmp_path / "image").write_bytes(data)
    subprocess.run(["zstd", "-q", "-3", "image"], cwd=tmp_path, check=True)
    ours = {
        level: sum(memoryview(piece).nbytes for piece in pack([data], level=level, threads=2, long=False))
        for level in (1, 3)
    }
    assert ours[3] < 1.02 * (tmp_path / "image.zst").stat().st_size < ours[1]


def test_pieces_are_of_a_mib_at_most() -> None:
    assert max(memoryview(piece).nbytes for piece in pack([DATA], level=1, threads=1, long=False)) == MIB
