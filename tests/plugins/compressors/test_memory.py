from array import array
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmbackup_compressors.in_order import in_order
from vmbackup_compressors.memory import Blocks


@given(st.lists(st.binary(max_size=50), max_size=12), st.integers(min_value=1, max_value=60))
def test_blocks_are_whole_but_the_last(chunks: list[bytes], size: int) -> None:
    made = [bytes(block) for block in Blocks(size).of(chunks)]
    assert b"".join(made) == b"".join(chunks)
    assert [len(block) for block in made[:-1]] == [size] * (len(made) - 1)
    assert made == [b""] or 0 < len(made[-1]) <= size


def test_blocks_count_bytes_and_not_items() -> None:
    assert [bytes(block) for block in Blocks(4).of([array("I", [1, 2])])] == [b"\1\0\0\0", b"\2\0\0\0"]


def test_a_chunk_is_copied_before_the_next_is_asked_for() -> None:
    def source() -> Iterator[bytearray]:
        chunk = bytearray(2)
        for number in range(4):
            chunk[:] = bytes([number, number])
            yield chunk

    assert [bytes(block) for block in Blocks(8).of(source())] == [b"\0\0\1\1\2\2\3\3"]


def test_a_block_that_is_not_given_back_stays_as_it_is_whatever_the_others_become() -> None:
    blocks = Blocks(4)
    kept = []
    for number, block in enumerate(blocks.of(bytes([number]) * 4 for number in range(9))):
        if number % 3:
            kept.append((number, block))
        else:
            blocks.give_back(block)
    assert [bytes(block) for _, block in kept] == [bytes([number]) * 4 for number, _ in kept]


def test_the_memory_of_a_block_that_was_given_back_is_used_again_and_the_block_cannot_be_read_any_more() -> None:
    blocks = Blocks(4)
    stream = blocks.of([b"aaaabbbb"])
    first = next(stream)
    memory = first.obj
    blocks.give_back(first)
    with pytest.raises(ValueError, match="released"):
        bytes(first)
    second = next(stream)
    assert second.obj is memory
    assert bytes(second) == b"bbbb"


def test_there_are_no_more_memories_than_the_threads_need() -> None:
    blocks = Blocks(4)
    memories = []

    def work(block: memoryview) -> bytes:
        memories.append(block.obj)
        content = bytes(block)
        blocks.give_back(block)
        return content

    content = [bytes([number]) * 4 for number in range(200)]
    assert list(in_order(work, blocks.of(content), threads=3)) == content
    assert len(set(map(id, memories))) <= 3 + 2
