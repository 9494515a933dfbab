from collections.abc import Iterator

import pytest

from vmbackup import Buffer, NoSettings
from vmbackup_compressors.none import Uncompressed


@pytest.fixture
def none() -> Uncompressed:
    return Uncompressed("none", NoSettings())


def test_chunks_pass_untouched_both_ways(none: Uncompressed) -> None:
    chunks: list[Buffer] = [b"abc", bytearray(b""), memoryview(b"def")]
    assert list(none.compress(chunks)) == chunks
    assert list(none.decompress(chunks)) == chunks


def test_an_error_of_the_source_goes_on(none: Uncompressed) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"abc"
        raise OSError("gone")

    stream = none.compress(chunks())
    assert next(stream) == b"abc"
    with pytest.raises(OSError, match="gone"):
        next(stream)
