import pytest

from vmbackup import Buffer, NoSettings
from vmbackup.conformance import COMPRESSOR_PROMISES, CompressorPromise
from vmbackup_compressors.none import Uncompressed


@pytest.fixture
def none() -> Uncompressed:
    return Uncompressed("none", NoSettings())


@pytest.mark.parametrize("promise", COMPRESSOR_PROMISES, ids=lambda promise: promise.__name__)
def test_it_keeps_what_one_without_a_format_can_promise(none: Uncompressed, promise: CompressorPromise) -> None:
    promise(none)


def test_chunks_pass_untouched_both_ways(none: Uncompressed) -> None:
    chunks: list[Buffer] = [b"abc", bytearray(b""), memoryview(b"def")]
    assert list(none.compress(chunks)) == chunks
    assert list(none.decompress(chunks)) == chunks
