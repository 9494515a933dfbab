"""Images that the host compressed."""

import random
import zlib
from collections.abc import Callable

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.core.images.reading import check_whole, refusal
from tests.core.images.xva_writer import Disk, Machine, tar
from typing_extensions import Buffer

from vmbackup.errors import ImageError
from vmbackup.images import Evidence, ImageCheck, PackedCheck, XvaCheck, sniff

NOISE = random.Random(1).randbytes(150_000)
MACHINE = Machine([Disk(4, "uuid-4", NOISE + bytes(350_000) + b"text " * 40_000)], block=100_000)
IMAGE = MACHINE.xva()
CUT = tar(MACHINE.files()[:-2], end=b"")
ANSWER = b"HTTP/1.0 500 Internal Error\r\n\r\n<html>"
KINDS = ["gzip", "zstd"]


def gzip(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=31)
    return packer.compress(data) + packer.flush()


def zstd(data: bytes) -> bytes:
    """A frame as the zstd program writes it into a pipe: with a checksum, without the length."""
    packer = zstandard.ZstdCompressor(level=3, write_checksum=True).compressobj()
    return packer.compress(data) + packer.flush()


PACK: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip, "zstd": zstd}
WHOLE = check_whole(XvaCheck(), IMAGE)
PACKED = {kind: pack(IMAGE) for kind, pack in PACK.items()}


class Largest(ImageCheck):
    """Takes everything, and knows how large the largest piece was."""

    def __init__(self) -> None:
        self.largest = self.size = 0

    def feed(self, piece: Buffer) -> Buffer:
        length = memoryview(piece).nbytes
        self.size += length
        self.largest = max(self.largest, length)
        return piece

    def close(self) -> Evidence:
        return Evidence("anything", self.size, ())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("step", [7, 1000, 1 << 20])
def test_the_copy_is_checked_and_the_stream_is_kept(kind: str, step: int) -> None:
    evidence = check_whole(PackedCheck(kind, XvaCheck({"uuid-4": 700_000})), PACKED[kind], step)
    assert evidence == WHOLE


@pytest.mark.parametrize("kind", KINDS)
def test_several_frames_are_one_image(kind: str) -> None:
    pack = PACK[kind]
    frames = pack(IMAGE[:1000]) + pack(b"") + pack(IMAGE[1000:])
    assert check_whole(PackedCheck(kind, XvaCheck()), frames, 777) == WHOLE


@pytest.mark.parametrize("kind", KINDS)
def test_a_whole_frame_around_half_an_image_is_refused(kind: str) -> None:
    assert "no end mark" in refusal(PackedCheck(kind, XvaCheck()), PACK[kind](CUT))
    message = refusal(PackedCheck(kind, XvaCheck()), PACK[kind](CUT) + ANSWER)
    assert f"foreign bytes follow the {kind} data; the pool's error text inside the stream: HTTP/1.0 500" in message
    assert f"(at byte {len(CUT):,} of the image)" in message


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("follows", [b"x", b"\0", b"\x1f", b"\x28\xb5", bytes(1024), ANSWER])
def test_nothing_may_follow(kind: str, follows: bytes) -> None:
    refusal(PackedCheck(kind, XvaCheck()), PACKED[kind] + follows)
    refusal(PackedCheck(kind, XvaCheck()), PACKED[kind] + follows, 101)


@pytest.mark.parametrize("kind", KINDS)
def test_a_frame_must_come_to_its_end(kind: str) -> None:
    # The last bytes are the frame's own checksum: the image inside is complete without them.
    for missing in range(1, 12):
        message = refusal(PackedCheck(kind, XvaCheck()), PACKED[kind][:-missing])
        assert message.startswith(f"the stream ends inside the {kind} data")


@pytest.mark.parametrize(
    ("kind", "image", "found"),
    [
        ("zstd", IMAGE, "nothing that is compressed"),
        ("gzip", IMAGE, "nothing that is compressed"),
        ("zstd", PACKED["gzip"], "gzip"),
        ("gzip", PACKED["zstd"], "zstd"),
        ("zstd", b"", "nothing that is compressed"),
        ("gzip", b"\x1f", "nothing that is compressed"),
        ("zstd", ANSWER, "nothing that is compressed; the pool's error text inside the stream: HTTP/1.0 500"),
    ],
)
def test_the_kind_must_be_the_one_that_was_asked_for(kind: str, image: bytes, found: str) -> None:
    assert f"asked for {kind}, but sends {found}" in refusal(PackedCheck(kind, XvaCheck()), image)


def test_sniffing() -> None:
    assert [sniff(image[:4]) for image in (IMAGE, PACKED["gzip"], PACKED["zstd"], b"")] == [None, "gzip", "zstd", None]


@pytest.mark.parametrize("kind", KINDS)
@settings(deadline=None, max_examples=80)
@given(data=st.data())
def test_any_cut_is_refused_and_no_damage_changes_the_image(kind: str, data: st.DataObject) -> None:
    image = PACKED[kind]
    place = data.draw(st.integers(0, len(image) - 1))
    refusal(PackedCheck(kind, XvaCheck()), image[:place])
    damaged = bytearray(image)
    damaged[place] ^= 1 << data.draw(st.integers(0, 7))
    try:
        evidence = check_whole(PackedCheck(kind, XvaCheck()), bytes(damaged))
    except ImageError:
        return
    # Some bits mean nothing: gzip's time, the filling of its last byte, zstd's wish for a larger window.
    assert evidence == WHOLE


@pytest.mark.parametrize("kind", KINDS)
@settings(deadline=None, max_examples=100)
@given(noise=st.binary(max_size=300))
def test_random_bytes_are_refused(kind: str, noise: bytes) -> None:
    refusal(PackedCheck(kind, XvaCheck()), noise)
    refusal(PackedCheck(kind, XvaCheck()), PACKED[kind][:4] + noise)


def test_a_gzip_bomb_goes_off_in_small_pieces() -> None:
    inner = Largest()
    bomb = gzip(bytes(128 << 20))
    assert len(bomb) < 150_000
    assert check_whole(PackedCheck("gzip", inner), bomb).size == 128 << 20
    assert inner.largest <= 1 << 20


def rle(blocks: int) -> bytes:
    """A zstd frame of 128 KiB blocks, each of one byte that is repeated; the window has 128 KiB too."""
    block = ((128 << 10) << 3 | 1 << 1).to_bytes(3, "little") + b"!"
    return b"\x28\xb5\x2f\xfd\x00" + bytes([7 << 3]) + block * blocks + b"\1\0\0"


def test_a_zstd_bomb_goes_off_in_small_pieces() -> None:
    inner = Largest()
    assert check_whole(PackedCheck("zstd", inner), rle(2048)).size == 256 << 20
    assert inner.largest <= 128 << 10


def with_window(exponent: int, data: bytes = b"hello") -> bytes:
    """A frame whose header asks for a window of 2 ** exponent bytes."""
    block = (len(data) << 3 | 1).to_bytes(3, "little") + data
    return b"\x28\xb5\x2f\xfd\x00" + bytes([exponent - 10 << 3]) + block


def test_the_window_of_zstd_is_bounded() -> None:
    assert check_whole(PackedCheck("zstd", Largest()), with_window(27)).size == 5
    message = refusal(PackedCheck("zstd", Largest()), with_window(28))
    assert "the zstd data asks for a window of 268,435,456 of 134,217,728 bytes at most" in message
    single = b"\x28\xb5\x2f\xfd" + bytes([0b1110_0000]) + (1 << 40).to_bytes(8, "little")
    assert "asks for a window of 1,099,511,627,776" in refusal(PackedCheck("zstd", Largest()), single + bytes(99))


def test_a_block_cannot_be_longer_than_zstd_allows() -> None:
    long = (1 << 21) - 1
    refusal(PackedCheck("zstd", Largest()), with_window(27, bytes(long)))


def test_an_unknown_compression_is_never_what_was_sent() -> None:
    assert "asked for lz4" in refusal(PackedCheck("lz4", XvaCheck()), PACKED["gzip"])
