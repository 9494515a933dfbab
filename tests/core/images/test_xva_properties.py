"""What holds for every XVA, every way to cut it into pieces, and every damage of a kind."""

import os
import tracemalloc
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.core.images.reading import check_pieces, check_whole, cut_into
from tests.core.images.xva_writer import MIB, Disk, File, Machine, disk_files, tar

from vmbackup.errors import ImageError
from vmbackup.images import Evidence, ImageCheck, XvaCheck

BLOCK = 60
CONTENTS = {
    "uuid-4": b"a" * BLOCK + bytes(BLOCK) + b"b" * BLOCK + b"c" * 7,
    "uuid-30": b"d" * BLOCK + b"e" * BLOCK,
}
MACHINE = Machine([Disk(4, "uuid-4", CONTENTS["uuid-4"]), Disk(30, "uuid-30", CONTENTS["uuid-30"])], block=BLOCK)
OVA = MACHINE.files()[0]
# With a keep-alive in the second disk of the stream, Ref:4.
FILES = [
    OVA,
    *disk_files("Ref:30", CONTENTS["uuid-30"], BLOCK),
    *disk_files("Ref:4", CONTENTS["uuid-4"], BLOCK, silent=frozenset({2})),
]
IMAGE = tar(FILES)
EXPECTED = {uuid: len(content) for uuid, content in CONTENTS.items()}
GOOD = check_whole(XvaCheck(EXPECTED), IMAGE)
# The text of ova.xml has no checksum in the format, so that damage inside it can go unseen.
OVA_TEXT = range(512, 512 + len(OVA.data))
CHECKED = [place for place in range(len(IMAGE)) if place not in OVA_TEXT]


def verdict(image: bytes, check: ImageCheck | None = None) -> Evidence | None:
    try:
        return check_whole(check or XvaCheck(EXPECTED), image)
    except ImageError:
        return None


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(0, len(IMAGE)), max_size=40))
def test_pieces_of_any_length_give_the_same_evidence(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(IMAGE)]
    assert check_pieces(XvaCheck(EXPECTED), [IMAGE[start:end] for start, end in pairwise(places)]) == GOOD


@pytest.mark.parametrize("step", [1, 2, 7, 511, 512, 513, 4096])
def test_pieces_of_equal_length_give_the_same_evidence(step: int) -> None:
    assert check_pieces(XvaCheck(EXPECTED), cut_into(IMAGE, step)) == GOOD


def flipped(image: bytes, place: int, bit: int) -> bytes:
    changed = bytearray(image)
    changed[place] ^= 1 << bit
    return bytes(changed)


def test_a_flipped_bit_in_any_byte_is_refused() -> None:
    small = Machine([Disk(4, "uuid-4", b"a" * 90)], block=60)
    image, text = small.xva(), range(512, 512 + len(small.ova()))
    assert verdict(image, XvaCheck({"uuid-4": 90}))
    unseen = [
        place
        for place in range(len(image))
        if place not in text and verdict(flipped(image, place, place * 5 % 8), XvaCheck({"uuid-4": 90}))
    ]
    assert unseen == []


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(CHECKED), st.integers(0, 7))
def test_any_flipped_bit_is_refused(place: int, bit: int) -> None:
    assert verdict(flipped(IMAGE, place, bit)) is None


def test_a_cut_at_any_block_of_the_tar_is_refused() -> None:
    assert [length for length in range(0, len(IMAGE), 512) if verdict(IMAGE[:length])] == []
    zeros = [length for length in range(0, len(IMAGE) - 1024, 512) if verdict(IMAGE[:length] + bytes(1024))]
    assert zeros == []


@settings(deadline=None, max_examples=300)
@given(st.integers(0, len(IMAGE) - 1), st.binary(max_size=600))
def test_any_cut_is_refused_whatever_follows_it(length: int, follows: bytes) -> None:
    image = IMAGE[:length] + follows
    assert image == IMAGE or verdict(image) is None


def test_every_dropped_member_is_refused() -> None:
    assert [FILES[index].name for index in range(len(FILES)) if verdict(tar(FILES[:index] + FILES[index + 1 :]))] == []


def test_every_dropped_block_with_its_checksum_is_refused_or_changes_the_digest() -> None:
    legal = []
    for index in range(1, len(FILES), 2):
        found = verdict(tar(FILES[:index] + FILES[index + 2 :]))
        if found:
            assert found.disks[0].blocks_digest != GOOD.disks[0].blocks_digest
            assert found.disks[0].blocks == GOOD.disks[0].blocks - 1
            legal.append(FILES[index].name)
    # The only one in the middle of a disk that has bytes: for the format it is zeros.
    assert legal == ["Ref:4/00000003"]


def test_every_doubled_member_is_refused() -> None:
    for index in range(len(FILES)):
        assert verdict(tar([*FILES[: index + 1], *FILES[index:]])) is None, FILES[index].name


def test_all_swapped_members_are_refused() -> None:
    for one in range(len(FILES)):
        for other in range(one):
            files = list(FILES)
            files[one], files[other] = files[other], files[one]
            assert verdict(tar(files)) is None, (FILES[one].name, FILES[other].name)


def test_all_swapped_contents_are_refused() -> None:
    for one in range(1, len(FILES)):
        for other in range(1, one):
            files = list(FILES)
            files[one] = File(FILES[one].name, FILES[other].data)
            files[other] = File(FILES[other].name, FILES[one].data)
            assert FILES[one].data != FILES[other].data
            assert verdict(tar(files)) is None, (FILES[one].name, FILES[other].name)


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=3000))
def test_random_bytes_are_refused(data: bytes) -> None:
    assert verdict(data) is None
    assert verdict(IMAGE[:512] + data) is None


HOSTILE_SIZES = st.one_of(
    st.binary(min_size=12, max_size=12), st.integers(0, 8**11 - 1).map(lambda size: b"%011o\0" % size)
)
NAMES = st.one_of(
    st.sampled_from([file.name for file in FILES]),
    st.from_regex(r"\ARef:(4|30|5)/0000000[0-9](\.xxhash|\.checksum)?\Z"),
    st.text(st.characters(codec="ascii"), max_size=100),
)
MEMBERS = st.builds(
    File,
    name=NAMES,
    data=st.one_of(st.binary(max_size=80), st.sampled_from([file.data for file in FILES])),
    type=st.sampled_from([b"\0", b"0", b"5", b"x", b"L"]),
    size=st.one_of(st.none(), HOSTILE_SIZES),
)


@settings(deadline=None, max_examples=120)
@given(st.integers(0, len(FILES)), st.lists(MEMBERS, max_size=4), st.integers(0, len(FILES)))
def test_foreign_members_with_right_headers_never_crash(head: int, members: list[File], tail: int) -> None:
    found = verdict(tar([*FILES[:head], *members, *FILES[tail:]]))
    assert found is None or found.disks[1] == GOOD.disks[1] or found.disks[0] == GOOD.disks[0]


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(OVA_TEXT), st.binary(min_size=1, max_size=40))
def test_a_damaged_ova_xml_never_crashes_and_never_shortens_a_disk(place: int, damage: bytes) -> None:
    image = IMAGE[:place] + damage + IMAGE[place + len(damage) :]
    if (found := verdict(image)) is not None:
        assert {disk.uuid: disk.virtual_size for disk in found.disks} == EXPECTED


@settings(deadline=None, max_examples=60)
@given(
    st.dictionaries(
        st.integers(0, 200),
        st.lists(st.sampled_from([b"x" * 50, bytes(50), b"y" * 50]), max_size=6).map(b"".join),
        max_size=5,
    ),
    st.booleans(),
)
def test_every_machine_makes_a_good_image(contents: dict[int, bytes], new: bool) -> None:  # noqa: FBT001 - drawn
    disks = [
        Disk(ref, f"uuid-{ref}", content, userdevice=str(at)) for at, (ref, content) in enumerate(contents.items())
    ]
    machine = Machine(disks, block=50, kind=".xxhash" if new else ".checksum")
    expected = {disk.uuid: len(disk.content) for disk in disks}
    evidence = check_whole(XvaCheck(expected), machine.xva())
    assert {disk.uuid: disk.virtual_size for disk in evidence.disks} == expected


def test_equal_disks_have_equal_digests_whatever_lies_around_them() -> None:
    alone = Machine([Disk(7, "uuid-4", CONTENTS["uuid-4"])], block=BLOCK)
    assert check_whole(XvaCheck(), alone.xva()).disks[0] == GOOD.disks[0]


def test_memory_does_not_grow_with_the_image() -> None:
    block = os.urandom(MIB)
    machine = Machine([Disk(4, "large", block * 48)])
    image = memoryview(machine.xva())
    tracemalloc.start()
    try:
        check = XvaCheck()
        for start in range(0, len(image), 100_000):
            check.feed(image[start : start + 100_000])
        check.close()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 200_000


def test_what_a_header_claims_is_not_allocated() -> None:
    tracemalloc.start()
    try:
        check = XvaCheck()
        check.feed(File("ova.xml", b"", size=b"%011o\0" % (64 << 20)).header())
        check.feed(b"<" * 1000)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 100_000
