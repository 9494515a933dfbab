import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import Buffer

from vmbackup.manifest import Slices
from vmbackup.slices import LEAF, MOST, Slicing, digest_of, expected


def slices_of(chunks: list[Buffer]) -> Slices:
    slicing = Slicing(chunks)
    assert [bytes(memoryview(chunk)) for chunk in slicing] == [bytes(memoryview(chunk)) for chunk in chunks]
    return slicing.slices


def numbered(leaves: float) -> bytes:
    return b"".join(number.to_bytes(8, "big") for number in range(int(leaves * LEAF) // 8))


@pytest.mark.parametrize("leaves", [0, 1 / LEAF * 8, 0.5, 1, 1.5, 2, 3.25])
def test_each_slice_has_the_digest_of_its_own_bytes(leaves: float) -> None:
    data = numbered(leaves)
    slices = slices_of([data])
    assert slices.size == LEAF
    parts = [data[at : at + LEAF] for at in range(0, len(data), LEAF)]
    assert expected(slices) == [digest_of([part]) for part in parts]
    assert len(set(expected(slices))) == len(parts)


@given(st.lists(st.integers(0, 2 * LEAF), max_size=5))
def test_the_pieces_in_which_a_file_comes_do_not_matter(cuts: list[int]) -> None:
    data = DATA
    marks = [0, *sorted(cuts), len(data)]
    pieces = [memoryview(data)[start:end] for start, end in itertools.pairwise(marks)]
    assert slices_of([*pieces]) == slices_of([data])


DATA = numbered(2)


def test_views_of_wider_items_are_bytes_too() -> None:
    assert slices_of([memoryview(DATA).cast("Q")]) == slices_of([DATA])


@pytest.mark.parametrize(("leaves", "together"), [(1, 1), (4, 1), (5, 2), (8, 2), (9, 3)])
def test_a_longer_file_has_larger_slices_and_no_more_of_them(leaves: int, together: int) -> None:
    data = numbered(leaves)
    slicing = Slicing([data], most=4)
    assert b"".join(bytes(memoryview(piece)) for piece in slicing) == data
    assert slicing.slices.size == together * LEAF
    parts = [data[at : at + together * LEAF] for at in range(0, len(data), together * LEAF)]
    assert len(parts) <= 4
    assert expected(slicing.slices) == [digest_of([part]) for part in parts]


def test_a_manifest_of_the_longest_image_stays_small() -> None:
    """Each of its slices has as many digits as that of a short one, and there are no more than so many."""
    assert MOST * len(expected(slices_of([DATA]))[0]) <= 1 << 16
