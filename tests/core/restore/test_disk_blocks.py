"""The blocks that come out of an image, put onto zeros, are its disks, however the image is cut and packed."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.core.builders import stored
from tests.core.images.reading import cut_into
from tests.core.images.xva_writer import Disk, Machine
from typing_extensions import Buffer

from vmbackup.errors import ImageError
from vmbackup.images import VHD_BLOCK, VhdCheck, XvaCheck, vhd_size, vhd_stream
from vmbackup.manifest import Image, ImageDisk
from vmbackup.restore.disk_blocks import UsedBlocks, disk_blocks
from vmbackup.verify.reading import prove_image

KIB = 1 << 10
FILE = stored("image.xva", b"")


def image_of(data: bytes, sizes: Mapping[str, int]) -> Image:
    """What the manifest holds of an image."""
    check = XvaCheck(sizes)
    check.feed(data)
    evidence = check.close()
    disks = [
        ImageDisk(
            uuid=seen.uuid,
            position=number,
            virtual_size=seen.virtual_size,
            blocks=seen.blocks,
            data_bytes=seen.data_bytes,
            blocks_digest=seen.blocks_digest,
            original_uuid="original",
        )
        for number, seen in enumerate(evidence.disks)
    ]
    return Image.model_validate({"format": "xva", "size": len(data), "disks": disks})


class Case:
    """An XVA of some disks, by their UUIDs."""

    def __init__(self, contents: Mapping[str, bytes], block: int = 64 * KIB) -> None:
        disks = [
            Disk(ref, uuid, content, userdevice=str(ref - 8))
            for ref, (uuid, content) in enumerate(contents.items(), start=8)
        ]
        self.contents = contents
        # Ref:10 stands before Ref:8 in the archive.
        self.order = [disk.uuid for disk in sorted(disks, key=lambda disk: disk.folder)]
        self.data = Machine(disks, block=block).xva()
        self.image = image_of(self.data, {uuid: len(content) for uuid, content in contents.items()})

    def used(self, pieces: Iterable[bytes], wanted: Iterable[str]) -> dict[str, list[int]]:
        found = {uuid: UsedBlocks() for uuid in wanted}
        prove_image(pieces, self.image, FILE, {uuid: blocks.take for uuid, blocks in found.items()})
        return {uuid: blocks.numbers for uuid, blocks in found.items()}

    def blocks(self, pieces: Iterable[bytes], used: Mapping[str, Sequence[int]]) -> list[tuple[str, bytes]]:
        return list(disk_blocks(pieces, self.image, FILE, used))


def not_zero(content: bytes) -> list[int]:
    """Which blocks of a disk hold something, told by looking at all of them."""
    return [
        number
        for number, block in enumerate(cut_into(content, VHD_BLOCK))
        if block.strip(b"\0")
    ]  # fmt: skip


def put_together(size: int, used: Sequence[int], blocks: Sequence[bytes]) -> bytes:
    disk = bytearray(-(-size // VHD_BLOCK) * VHD_BLOCK)
    for number, block in zip(used, blocks, strict=True):
        assert len(block) == VHD_BLOCK
        disk[number * VHD_BLOCK : (number + 1) * VHD_BLOCK] = block
    assert not disk[size:].strip(b"\0"), "nothing stands behind the end of the disk"
    return bytes(disk[:size])


def expect_the_disks(case: Case, pieces: Sequence[bytes], wanted: Sequence[str]) -> None:
    used = case.used(pieces, wanted)
    assert used == {uuid: not_zero(case.contents[uuid]) for uuid in wanted}
    found = defaultdict[str, list[bytes]](list)
    order = []
    for uuid, block in case.blocks(pieces, used):
        found[uuid].append(block)
        order.append(uuid)
    assert list(dict.fromkeys(order)) == [uuid for uuid in case.order if uuid in wanted and used[uuid]]
    for uuid in wanted:
        content = case.contents[uuid]
        assert put_together(len(content), used[uuid], found[uuid]) == content


# A disk as its size in sectors, and runs of one byte whose lengths fit no block. An importer takes the first block of
# an archive for the measure of all gaps (xapi: stream_vdi.ml), so that no disk is smaller than a block.
RECIPES = st.tuples(
    st.integers(2048, 11 * 1024),
    st.lists(st.tuples(st.sampled_from([0, 0, 7, 255]), st.integers(1, 40 * 97)), max_size=5),
)


def content_of(sectors: int, runs: list[tuple[int, int]]) -> bytes:
    content = b"".join(bytes([value]) * (length * 512) for value, length in runs)
    return content[: sectors * 512].ljust(sectors * 512, b"\0")


@settings(max_examples=40)
@given(
    recipes=st.lists(RECIPES, min_size=1, max_size=3),
    cuts=st.lists(st.floats(0, 1), max_size=20),
    block=st.sampled_from([64 * KIB, 1 << 20]),
    first=st.integers(0, 2),
)
def test_the_blocks_put_onto_zeros_are_the_disks(
    recipes: list[tuple[int, list[tuple[int, int]]]], cuts: list[float], block: int, first: int
) -> None:
    case = Case({f"uuid-{number}": content_of(*recipe) for number, recipe in enumerate(recipes)}, block)
    places = sorted(int(cut * len(case.data)) for cut in cuts)
    pieces = [case.data[start:end] for start, end in pairwise([0, *places, len(case.data)])]
    expect_the_disks(case, pieces, list(case.contents)[min(first, len(recipes) - 1) :])


def pattern(size: int, *marks: int) -> bytes:
    """Zeros with one byte at each place."""
    content = bytearray(size)
    for mark in marks:
        content[mark] = 1
    return bytes(content)


SPARSE = {
    "none": bytes(5 * VHD_BLOCK + 512),
    "first": pattern(3 * VHD_BLOCK, 0),
    "last-byte": pattern(2 * VHD_BLOCK + 1536, 2 * VHD_BLOCK + 1535),
    "ends-of-a-block": pattern(4 * VHD_BLOCK, 2 * VHD_BLOCK, 3 * VHD_BLOCK - 1),
    "all": b"\1" * (VHD_BLOCK + 512),
    "less-than-a-block": b"\1" * (1 << 20),
}


@pytest.mark.parametrize("step", [511, 65_537, 1 << 20, 1 << 30])
def test_disks_of_every_kind_one_after_the_other(step: int) -> None:
    case = Case(SPARSE)
    expect_the_disks(case, list(cut_into(case.data, step)), list(SPARSE))


def test_one_disk_alone_out_of_several() -> None:
    case = Case(SPARSE)
    for uuid in SPARSE:
        expect_the_disks(case, list(cut_into(case.data, 1 << 20)), [uuid])


def test_the_stream_made_of_them_is_the_disk() -> None:
    case = Case(SPARSE)
    for uuid, content in SPARSE.items():
        used = case.used([case.data], [uuid])
        blocks = [block for _, block in case.blocks([case.data], used)]
        stream = b"".join(map(bytes, vhd_stream(len(content), used[uuid], blocks)))
        found = bytearray(len(content))

        def put(offset: int, piece: Buffer, disk: bytearray = found) -> None:
            octets = bytes(piece)
            disk[offset : offset + len(octets)] = octets

        check = VhdCheck(len(content), put)
        check.feed(stream)
        check.close()
        assert (bytes(found), len(stream)) == (content, vhd_size(len(content), used[uuid]))


def test_blocks_come_while_the_image_is_read_and_not_at_its_end() -> None:
    case = Case({"one": b"\1" * (4 * VHD_BLOCK), "two": b"\2" * (4 * VHD_BLOCK)})
    passed = 0

    def counted() -> Iterable[bytes]:
        nonlocal passed
        for piece in cut_into(case.data, 64 * KIB):
            passed += len(piece)
            yield piece

    used = case.used([case.data], case.contents)
    for count, _ in enumerate(disk_blocks(counted(), case.image, FILE, used), start=1):
        assert passed <= (count + 1) * VHD_BLOCK + 512 * KIB or count == 8


@pytest.mark.parametrize("place", ["first", "middle", "last"])
def test_a_damaged_image_raises_before_the_blocks_end(place: str) -> None:
    case = Case({"one": b"\1" * (3 * VHD_BLOCK), "two": b"\2" * (3 * VHD_BLOCK)})
    used = case.used([case.data], case.contents)
    whole = case.blocks([case.data], used)
    at = {"first": 4 * KIB, "middle": len(case.data) // 2, "last": len(case.data) - 4 * KIB}[place]
    damaged = bytearray(case.data)
    damaged[at + 512] ^= 1
    came = list[str]()
    with pytest.raises(ImageError):
        came.extend(uuid for uuid, _ in disk_blocks(cut_into(bytes(damaged), 64 * KIB), case.image, FILE, used))
    assert len(came) < len(whole)


@pytest.mark.parametrize("missing", [512, 1024, 700_000])
def test_a_cut_image_raises_before_the_blocks_end(missing: int) -> None:
    case = Case({"one": b"\1" * (3 * VHD_BLOCK)})
    used = case.used([case.data], case.contents)
    came = list[str]()
    with pytest.raises(ImageError):
        came.extend(uuid for uuid, _ in disk_blocks(cut_into(case.data[:-missing], 64 * KIB), case.image, FILE, used))
    assert len(came) < len(used["one"])


def test_an_image_of_other_blocks_than_when_it_was_written_raises() -> None:
    case, other = (Case({"one": bytes([value]) * VHD_BLOCK}) for value in (1, 2))
    used = case.used([case.data], case.contents)
    blocks = disk_blocks([other.data], case.image, FILE, used)
    with pytest.raises(ImageError, match="holds other blocks"):
        list(blocks)
