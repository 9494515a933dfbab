"""What makes a VHD stream whole."""

from dataclasses import replace
from typing import Any

import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.core.images.reading import check_whole, refusal
from tests.core.images.vhd_writer import BLOCK, MIB, Vhd

from vmbackup.errors import ImageError
from vmbackup.images import VhdCheck

FIRST, THIRD = b"1" * BLOCK, b"3" * BLOCK
SIZE = 7 * MIB
VHD = Vhd(SIZE, {0: FIRST, 2: THIRD})
STREAM = VHD.stream()
# Footer, header, gap, table; then block 0 begins with its bitmap.
DATA = 2048 + 512


def test_the_stream_follows_from_its_table() -> None:
    assert len(STREAM) == 2048 + 512 + 2 * 2_097_664 + 512
    evidence = check_whole(VhdCheck(SIZE), STREAM)
    assert (evidence.format, evidence.size) == ("vhd", len(STREAM))
    (disk,) = evidence.disks
    assert (disk.uuid, disk.virtual_size, disk.blocks, disk.data_bytes) == ("", SIZE, 2, 2 * BLOCK)
    pairs = [(0).to_bytes(8, "big"), xxhash.xxh64(FIRST).digest(), (2 * BLOCK).to_bytes(8, "big")]
    assert disk.blocks_digest == xxhash.xxh64(b"".join([*pairs, xxhash.xxh64(THIRD).digest()])).hexdigest()


@pytest.mark.parametrize("step", [511, 4096, 1_000_003])
def test_pieces_of_any_length_give_the_same_evidence(step: int) -> None:
    assert check_whole(VhdCheck(SIZE), STREAM, step) == check_whole(VhdCheck(SIZE), STREAM)


def test_a_raw_disk_comes_rounded_up_to_whole_blocks() -> None:
    evidence = check_whole(VhdCheck(SIZE), Vhd(8 * MIB, VHD.blocks).stream())
    assert evidence.disks[0].virtual_size == SIZE


def test_a_disk_of_zeros_has_no_blocks() -> None:
    (disk,) = check_whole(VhdCheck(SIZE), Vhd(SIZE, {}).stream()).disks
    assert (disk.blocks, disk.data_bytes) == (0, 0)


def test_the_largest_disk_has_a_table_of_4_mib() -> None:
    size = 2040 << 30
    (disk,) = check_whole(VhdCheck(size), Vhd(size, {1_044_479: THIRD}).stream()).disks
    assert disk.blocks == 1


def test_what_fills_up_the_table_may_be_zeros() -> None:
    image = replace(VHD, table_filler=b"\0").stream()
    assert check_whole(VhdCheck(SIZE), image) == check_whole(VhdCheck(SIZE), STREAM)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": 4}, "it is of type 4"),
        ({"kind": 2}, "it is of type 2"),
        ({"cookie": b"connectx"}, "does not begin with conectix"),
        ({"version": 0x00020000}, "its footer has version 0x20000"),
        ({"header_at": 1024}, "data offset 1,024"),
        ({"size": 6 * MIB}, "of a disk of 6,291,456 bytes; 7,340,032 were expected"),
        ({"size": 9 * MIB}, "of a disk of 9,437,184 bytes; 7,340,032 were expected"),
        ({"header_cookie": b"cxsparce"}, "does not begin with cxsparse"),
        ({"table_at": 4096}, "the table offset in its header is 4,096, not 2,048"),
        ({"entries": 5}, "the table length in its header is 5, not 4"),
        ({"entries": 2**32 - 1}, "the table length in its header is 4,294,967,295, not 4"),
        ({"block_size": MIB}, "the block size in its header is 1,048,576, not 2,097,152"),
        ({"gap": b"\0" * 511 + b"x"}, "bytes between the VHD's header and its block table"),
        ({"bitmap": b"\xff" * 511 + b"\xfe"}, "the sector bitmap of block 0 is not all ones"),
        ({"table_filler": b"\1"}, "something behind the entries of its block table"),
        ({"moved": {0: 5 + 4097, 2: 5}}, "its block 0 is said to be at sector 4,102, but 5 is next"),
        ({"moved": {2: 5}}, "its block 2 is said to be at sector 5, but 4,102 is next"),
        ({"moved": {1: 4}}, "its block 1 is said to be at sector 4, but 4,102 is next"),
        ({"moved": {1: 8199}}, "its block 1 is said to be at sector 8,199, but 4,102 is next"),
    ],
)
def test_the_structure_must_be_as_hosts_write_it(change: dict[str, Any], message: str) -> None:
    assert message in refusal(VhdCheck(SIZE), replace(VHD, **change).stream())


def test_a_block_more_or_less_in_the_table_shows_at_the_end() -> None:
    assert "bitmap of block 3 is not all ones" in refusal(VhdCheck(SIZE), replace(VHD, moved={3: 8199}).stream())
    assert "last footer is not the same" in refusal(VhdCheck(SIZE), replace(VHD, moved={2: 0xFFFFFFFF}).stream())


def test_more_than_2040_gib_are_refused_before_the_table() -> None:
    size = (2040 << 30) + 1
    with pytest.raises(ImageError, match=r"a VHD has 2,190,433,320,960 at most"):
        VhdCheck(size).feed(replace(VHD, size=size).footer())


ANSWER = b"HTTP/1.1 500 Internal Error\r\n\r\n<html>VDI_IO_ERROR</html>"


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (b"", "ends inside the first footer"),
        (STREAM[:1000], "ends inside the VHD's header"),
        (STREAM[:2100], "ends inside the block table"),
        (STREAM[: DATA + 3 * MIB], "ends inside block 2"),
        (STREAM[:-512], "ends inside the last footer"),
        (STREAM[:-1], "ends inside the last footer"),
        (STREAM[:-1] + b"x", "last footer is not the same as the first"),
        (STREAM + b"\0", "goes on behind the last footer"),
        (STREAM + ANSWER, "text inside the stream: HTTP/1.1 500 Internal Error"),
        (STREAM[:-512] + ANSWER, "text inside the stream: HTTP/1.1 500 Internal Error"),
        (STREAM[: DATA + MIB] + ANSWER, "text inside the stream: HTTP/1.1 500 Internal Error"),
        (ANSWER + b" " * 512, "text inside the stream: HTTP/1.1 500 Internal Error"),
    ],
)
def test_the_stream_ends_where_its_table_says(image: bytes, message: str) -> None:
    assert message in refusal(VhdCheck(SIZE), image)


SMALL = Vhd(2 * MIB, {0: FIRST}).stream()
STRUCTURE = [*range(DATA + 512), *range(len(SMALL) - 512, len(SMALL))]


@settings(deadline=None, max_examples=400)
@given(st.sampled_from(STRUCTURE), st.integers(0, 7))
def test_any_flipped_bit_of_the_structure_is_refused(place: int, bit: int) -> None:
    image = bytearray(SMALL)
    image[place] ^= 1 << bit
    refusal(VhdCheck(2 * MIB), bytes(image))


@settings(deadline=None, max_examples=60)
@given(st.integers(0, len(SMALL) - 1), st.binary(max_size=600))
def test_any_cut_is_refused_whatever_follows_it(length: int, follows: bytes) -> None:
    image = SMALL[:length] + follows
    if image != SMALL:
        refusal(VhdCheck(2 * MIB), image)


@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=3000))
def test_random_bytes_are_refused(data: bytes) -> None:
    refusal(VhdCheck(2 * MIB), data)
    refusal(VhdCheck(2 * MIB), SMALL[:512] + data)
