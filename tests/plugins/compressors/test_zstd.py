import itertools
import os
import tracemalloc
from collections.abc import Iterator

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from typing_extensions import Buffer

from vmbackup import ImageError
from vmbackup_compressors.zstd import PIECE, WINDOW, Zstd, ZstdSettings

NOISE = os.urandom(3 * PIECE + 12_345)


def zstd(**settings: int) -> Zstd:
    return Zstd("zstd", ZstdSettings.model_validate(settings))


def packed(data: bytes, **settings: int) -> bytes:
    return b"".join(bytes(piece) for piece in zstd(**settings).compress([data]))


def unpacked(data: bytes, size: int = PIECE) -> bytes:
    return b"".join(bytes(piece) for piece in zstd().decompress(cut(data, size)))


def cut(data: bytes, size: int) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


@pytest.mark.parametrize("threads", [0, 1, 3])
@pytest.mark.parametrize("level", [1, 3, 19])
def test_what_went_in_comes_out(level: int, threads: int) -> None:
    data = bytes(PIECE) + NOISE[: 2 * PIECE]
    assert unpacked(packed(data, level=level, threads=threads)) == data


@given(st.lists(st.binary(max_size=5000), max_size=8), st.integers(min_value=1, max_value=700))
def test_the_sizes_of_the_chunks_do_not_matter(chunks: list[bytes], size: int) -> None:
    stream = b"".join(bytes(piece) for piece in zstd(threads=1).compress(chunks))
    assert unpacked(stream, size) == b"".join(chunks)


@pytest.mark.parametrize("level", [1, 3, 19])
def test_the_frame_has_a_checksum_and_a_window_that_zstd_takes_without_options(level: int) -> None:
    frame = zstandard.get_frame_parameters(packed(NOISE, level=level))
    assert frame.has_checksum
    assert frame.window_size <= WINDOW


def test_the_pieces_have_one_size() -> None:
    sizes = [memoryview(piece).nbytes for piece in zstd().compress(cut(NOISE, 100_000))]
    assert set(sizes[:-1]) == {PIECE}
    assert sizes[-1] <= PIECE


def test_chunks_may_be_any_buffer_and_be_used_again() -> None:
    own = bytearray(PIECE)

    def chunks() -> Iterator[Buffer]:
        for octet in b"abc":
            own[:] = bytes([octet]) * PIECE
            yield memoryview(own).toreadonly()

    stream = b"".join(bytes(piece) for piece in zstd().compress(chunks()))
    assert unpacked(stream) == b"a" * PIECE + b"b" * PIECE + b"c" * PIECE


@pytest.mark.parametrize("threads", [1, 2])
def test_no_end_is_given_out_when_the_source_fails(threads: int) -> None:
    broken = OSError("the pool is gone")

    def chunks() -> Iterator[bytes]:
        yield from cut(NOISE * 10, PIECE)
        raise broken

    given_out = bytearray()

    def take() -> None:
        for piece in zstd(threads=threads).compress(chunks()):
            given_out.extend(bytes(piece))

    with pytest.raises(OSError, match="the pool is gone") as raised:
        take()
    assert raised.value is broken
    assert given_out, "the test shows nothing unless something was given out"
    with pytest.raises(ImageError, match="ends in the middle"):
        unpacked(bytes(given_out))


@pytest.mark.parametrize("missing", [1, 4, 5, 1000, PIECE])
def test_a_short_stream_is_an_error(missing: int) -> None:
    with pytest.raises(ImageError, match="ends in the middle"):
        unpacked(packed(NOISE)[:-missing])


def test_every_cut_of_a_small_stream_is_an_error() -> None:
    stream = packed(b"some words, some words, some words") + packed(b"and more")
    whole = len(packed(b"some words, some words, some words"))
    for end in range(len(stream)):
        if end == whole:
            assert unpacked(stream[:end]) == b"some words, some words, some words"
            continue
        with pytest.raises(ImageError):
            unpacked(stream[:end])


def test_nothing_at_all_is_an_error_but_an_empty_frame_is_not() -> None:
    with pytest.raises(ImageError, match="ends in the middle"):
        unpacked(b"")
    assert unpacked(packed(b"")) == b""


def test_several_frames_are_one_stream() -> None:
    skippable = (0x184D2A50).to_bytes(4, "little") + (3).to_bytes(4, "little") + b"abc"
    assert unpacked(packed(b"one ") + packed(b"") + skippable + packed(b"two"), size=7) == b"one two"


@pytest.mark.parametrize("garbage", [b"\0", b"\0" * 512, b"HTTP/1.1 500 Internal Server Error\r\n"])
def test_foreign_bytes_behind_the_end_are_an_error(garbage: bytes) -> None:
    with pytest.raises(ImageError) as raised:
        unpacked(packed(b"x" * 1000) + garbage)
    assert raised.value.position == 1000
    assert len(garbage) < 4 or "foreign bytes" in raised.value.message


def test_a_flipped_bit_is_found_and_its_place_is_said() -> None:
    stream = bytearray(packed(NOISE))
    stream[len(stream) // 2] ^= 4
    with pytest.raises(ImageError, match="damaged") as raised:
        unpacked(bytes(stream))
    assert 0 < raised.value.position <= len(NOISE)


def test_what_is_no_zstd_is_an_error() -> None:
    with pytest.raises(ImageError, match="damaged"):
        unpacked(b"\x1f\x8b" + bytes(100))


def windowed(bits: int) -> bytes:
    wide = zstandard.ZstdCompressionParameters(window_log=bits, strategy=1)
    stream = zstandard.ZstdCompressor(compression_params=wide).compressobj()
    data = stream.compress(b"a") + stream.flush()
    assert zstandard.get_frame_parameters(data).window_size == 1 << bits
    return data


def test_a_window_larger_than_zstd_takes_is_refused() -> None:
    assert unpacked(windowed(27)) == b"a"
    with pytest.raises(ImageError, match="memory"):
        unpacked(windowed(28))


def test_a_bomb_does_not_fill_the_memory() -> None:
    size = 300 << 20
    bomb = b"".join(bytes(piece) for piece in zstd().compress(itertools.repeat(bytes(PIECE), 300)))
    tracemalloc.start()
    try:
        lengths = [memoryview(piece).nbytes for piece in zstd().decompress([bomb])]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sum(lengths) == size
    assert max(lengths) <= PIECE
    assert peak < 80 << 20


@pytest.mark.parametrize("settings", [{"level": 0}, {"level": 20}, {"threads": -1}, {"threads": 65}, {"speed": 1}])
def test_settings_out_of_range_are_refused(settings: dict[str, int]) -> None:
    with pytest.raises(ValidationError):
        ZstdSettings.model_validate(settings)
