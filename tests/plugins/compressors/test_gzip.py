import gzip
import itertools
import zlib

import pytest
from pydantic import ValidationError
from tests.plugins.compressors.streams import MIB, packed, unpacked

from vmbackup import Compressor, ImageError, Settings
from vmbackup.conformance.packing import content
from vmbackup.testing import CompressorContract
from vmbackup_compressors.gzip import BLOCK, HEADER, LAST, TRAILER, Gzip, GzipSettings


def compressor(**settings: int) -> Gzip:
    return Gzip("gzip", GzipSettings.model_validate(settings))


class TestContract(CompressorContract):
    @pytest.fixture
    def compressor(self) -> Compressor[Settings]:
        return compressor()


@pytest.mark.parametrize(("level", "threads"), list(itertools.product([1, 2, 3], [1, 3])))
def test_every_level_and_number_of_threads_is_what_gzip_reads(level: int, threads: int) -> None:
    data = content(5 * MIB + 17)
    stream = packed(compressor(level=level, threads=threads), data)
    assert gzip.decompress(stream) == data
    assert unpacked(compressor(), stream) == data


@pytest.mark.parametrize("size", [0, 1, BLOCK, 3 * BLOCK + 1])
def test_it_is_one_member_whose_trailer_is_of_the_whole(size: int) -> None:
    data = content(size)
    stream = packed(compressor(), data)
    member = zlib.decompressobj(wbits=31)
    assert member.decompress(stream) == data
    assert member.eof
    assert not member.unused_data
    assert stream.startswith(HEADER)
    assert stream.endswith(LAST + TRAILER.pack(zlib.crc32(data), size))


def test_blocks_point_back_into_those_before_them() -> None:
    repeated = content(BLOCK)[: 16 << 10]
    alone = len(packed(compressor(), bytes(BLOCK - len(repeated)) + repeated))
    again = len(packed(compressor(), bytes(BLOCK - len(repeated)) + 2 * repeated))
    assert again - alone < len(repeated) // 20


def test_zeros_are_packed_once() -> None:
    stream = packed(compressor(), bytes(100 * BLOCK))
    one = stream[len(HEADER) : -len(LAST) - TRAILER.size]
    assert one == one[: len(one) // 100] * 100
    assert len(one) < 200_000
    assert gzip.decompress(stream) == bytes(100 * BLOCK)


def test_the_size_in_the_trailer_is_modulo_4_gib() -> None:
    count = 4096 + 1
    stream = b"".join(compressor().compress(itertools.repeat(bytes(MIB), count)))
    assert TRAILER.unpack(stream[-TRAILER.size :])[1] == MIB
    assert sum(memoryview(piece).nbytes for piece in compressor().decompress([stream])) == count * MIB


def test_another_member_behind_it_is_foreign() -> None:
    with pytest.raises(ImageError, match="foreign bytes"):
        unpacked(compressor(), packed(compressor(), b"one") + packed(compressor(), b"two"))


def test_what_another_program_wrote_is_refused() -> None:
    with pytest.raises(ImageError, match="does not begin as vmbackup begins it"):
        unpacked(compressor(), gzip.compress(b"data"))


def test_the_place_of_damage_is_told() -> None:
    stream = bytearray(packed(compressor(), content(8 * MIB)))
    stream[-6] ^= 1
    with pytest.raises(ImageError, match="checksum") as raised:
        unpacked(compressor(), bytes(stream))
    assert raised.value.position == 8 * MIB


@pytest.mark.parametrize("settings", [{"level": 0}, {"level": 4}, {"threads": -1}, {"threads": 65}, {"speed": 1}])
def test_settings_out_of_range_are_refused(settings: dict[str, int]) -> None:
    with pytest.raises(ValidationError):
        GzipSettings.model_validate(settings)
