import ctypes
import mmap
import os
from array import array
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.plugins.targets.disks import Disk

from vmbackup.holes import GRAIN as BLOCK
from vmbackup_targets.appending import WINDOW, Appender
from vmbackup_targets.local import Local, LocalSettings

MIB = 1 << 20
NOISE = os.urandom(4 * MIB)
STRETCHES = st.lists(
    st.tuples(
        st.booleans(), st.sampled_from([0, 1, 511, 4096, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK, 5 * BLOCK + 77])
    ),
    max_size=12,
)


def content(stretches: list[tuple[bool, int]]) -> bytes:
    return b"".join(NOISE[:size] if data else bytes(size) for data, size in stretches)


def appended(path: Path, chunks: Iterator[bytes], *, holes: bool) -> os.stat_result:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    try:
        appender = Appender(descriptor, holes=holes)
        for chunk in chunks:
            appender.append(chunk)
        appender.flush()
        found = os.fstat(descriptor)
    finally:
        os.close(descriptor)
    assert appender.size == found.st_size
    return found


def cut(data: bytes, cuts: list[int]) -> Iterator[bytes]:
    ends = [*accumulate(cuts), len(data)]
    for start, end in zip([0, *ends], ends, strict=False):
        yield data[start:end]


@given(stretches=STRETCHES, cuts=st.lists(st.integers(0, 2 * BLOCK), max_size=8), holes=st.booleans())
def test_whatever_the_zeros_and_the_chunks_the_file_reads_as_what_was_appended(
    tmp_path_factory: pytest.TempPathFactory, stretches: list[tuple[bool, int]], cuts: list[int], *, holes: bool
) -> None:
    path = tmp_path_factory.getbasetemp() / "file"
    data = content(stretches)
    appended(path, cut(data, cuts), holes=holes)
    assert path.read_bytes() == data


def test_zeros_become_holes_wherever_they_are_and_take_no_room(disk: Disk) -> None:
    image = bytes(MIB) + NOISE[:MIB] + bytes(MIB) + NOISE[:BLOCK] + bytes(2 * MIB)
    found = appended(disk.folder / "file", iter([image]), holes=True)
    assert found.st_size == len(image)
    assert found.st_blocks * 512 == MIB + BLOCK
    found = appended(disk.folder / "all", iter([bytes(MIB)] * 100), holes=True)
    assert (found.st_size, found.st_blocks) == (100 * MIB, 0)


def test_without_holes_zeros_are_stored_as_they_are(disk: Disk) -> None:
    assert appended(disk.folder / "file", iter([bytes(MIB)] * 4), holes=False).st_blocks * 512 >= 4 * MIB


@pytest.mark.parametrize(
    ("key", "holes"), [("pool/vm/disk-0.raw", True), ("image.xva", False), ("disk-0.raw.zst", False)]
)
def test_raw_images_alone_have_holes(disk: Disk, key: str, *, holes: bool) -> None:
    with Local("usb", LocalSettings(path=disk.folder)) as target:
        assert target.store(key, [bytes(MIB)] * 4).size == 4 * MIB
    taken = (disk.folder / key).stat().st_blocks * 512
    assert taken == 0 if holes else taken >= 4 * MIB


def test_a_chunk_may_have_items_of_any_size(tmp_path: Path) -> None:
    chunk = array("Q", [0] * BLOCK + [1])
    path = tmp_path / "file"
    appended(path, iter([memoryview(chunk)]), holes=True)  # type: ignore[list-item]  # any buffer will do
    assert path.read_bytes() == chunk.tobytes()


def resident(path: Path) -> int:
    """How many bytes of a file are in the page cache, by mincore(2): reading it would change the answer."""
    size = path.stat().st_size
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
    with path.open("rb") as file:
        address = ctypes.c_void_p(libc.mmap(None, size, mmap.PROT_READ, mmap.MAP_SHARED, file.fileno(), 0))
    pages = ctypes.create_string_buffer(-(-size // mmap.PAGESIZE))
    assert libc.mincore(address, ctypes.c_size_t(size), pages) == 0
    assert libc.munmap(address, ctypes.c_size_t(size)) == 0
    return sum(page & 1 for page in pages.raw) * mmap.PAGESIZE


def test_a_large_file_is_not_left_in_memory_and_a_small_one_is(disk: Disk) -> None:
    appended(disk.folder / "large", (NOISE for _ in range(10)), holes=False)
    assert resident(disk.folder / "large") == 0
    assert 40 * MIB > 4 * WINDOW
    appended(disk.folder / "small", iter([NOISE]), holes=False)
    assert resident(disk.folder / "small") == len(NOISE)


def test_it_is_written_while_it_is_appended(disk: Disk) -> None:
    """Else an image that is larger than the memory would push out what everybody else has there."""
    most = 0

    def chunks() -> Iterator[bytes]:
        nonlocal most
        for _ in range(12):
            yield NOISE
            os.sync()  # what has been asked for is done, however slow the disk is
            most = max(most, resident(disk.folder / "large"))

    appended(disk.folder / "large", chunks(), holes=False)
    assert 0 < most <= 2 * WINDOW + len(NOISE)
