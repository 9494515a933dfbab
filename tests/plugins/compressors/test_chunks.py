from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmbackup import ImageError
from vmbackup_compressors.chunks import PIECE, Source, blocks, pieces


@given(st.lists(st.binary(max_size=50), max_size=12), st.integers(min_value=1, max_value=60))
def test_blocks_are_whole_but_the_last(chunks: list[bytes], size: int) -> None:
    made = list(blocks(chunks, size))
    assert b"".join(made) == b"".join(chunks)
    assert [len(block) for block in made[:-1]] == [size] * (len(made) - 1)
    assert made == [b""] or 0 < len(made[-1]) <= size


def test_blocks_count_bytes_and_not_items() -> None:
    assert list(blocks([array("I", [1, 2])], 4)) == [b"\1\0\0\0", b"\2\0\0\0"]


def test_pieces_are_of_a_mib_and_share_the_memory() -> None:
    content = bytes(2 * PIECE + 5)
    made = [memoryview(piece) for piece in pieces(content)]
    assert [piece.nbytes for piece in made] == [PIECE, PIECE, 5]
    assert all(piece.obj is content for piece in made)


@given(st.lists(st.binary(max_size=9), max_size=9), st.lists(st.integers(min_value=1, max_value=20)))
def test_a_source_is_read_in_any_portions(chunks: list[bytes], sizes: list[int]) -> None:
    source, whole = Source(chunks), b"".join(chunks)
    for size in sizes:
        assert source.up_to(size) == whole[:size]
        whole = whole[size:]
    rest = b""
    while some := source.some(4):
        assert 1 <= len(some) <= 4
        rest += some
    assert rest == whole
    source.end()


def test_what_was_put_back_is_read_once_more() -> None:
    source = Source([b"abcdef", b"ghi"])
    assert source.take(3) == b"abc"
    source.put_back(b"bc")
    assert source.take(8) == b"bcdefghi"


def test_taking_more_than_there_is_is_an_error_at_the_place_that_is_known() -> None:
    source = Source([b"abc"])
    source.position = 4711
    with pytest.raises(ImageError, match="ends in the middle") as raised:
        source.take(4)
    assert raised.value.position == 4711


def test_the_end_is_the_end() -> None:
    source = Source([b"", b"a", b""])
    with pytest.raises(ImageError, match="foreign bytes behind its end"):
        source.end()
    source.end()
