"""What makes a raw stream whole."""

import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

from vmbackup.errors import ImageError
from vmbackup.images import Evidence, RawCheck

MIB = 1 << 20
DISK = bytes(range(256)) * 4096 + b"\xff" * 500
ANSWER = b"HTTP/1.1 500 Internal Error\r\n\r\n<html>VDI_IO_ERROR</html>"


def stored(image: bytes, step: int, size: int = len(DISK)) -> tuple[bytes, Evidence]:
    check = RawCheck(size)
    kept = b"".join(bytes(check.feed(image[start : start + step])) for start in range(0, len(image), step))
    return kept, check.close()


@pytest.mark.parametrize("excess", [0, 1, 512, 2 * MIB - 1])
@pytest.mark.parametrize("step", [1013, MIB, 9 * MIB])
def test_the_zeros_behind_the_disk_are_cut_off(excess: int, step: int) -> None:
    kept, evidence = stored(DISK + bytes(excess), step)
    assert kept == DISK
    assert (evidence.format, evidence.size) == ("raw", len(DISK))
    (disk,) = evidence.disks
    assert (disk.uuid, disk.virtual_size, disk.blocks, disk.data_bytes) == ("", len(DISK), 2, len(DISK))
    pairs = b"".join(at.to_bytes(8, "big") + xxhash.xxh64(DISK[at : at + MIB]).digest() for at in (0, MIB))
    assert disk.blocks_digest == xxhash.xxh64(pairs).hexdigest()


def test_a_disk_of_0_bytes_is_empty() -> None:
    kept, evidence = stored(bytes(100), 7, size=0)
    assert (kept, evidence.disks[0].blocks) == (b"", 0)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (b"", r"the stream ends inside the disk, which has 1,049,076 bytes \(at byte 0 "),
        (DISK[:-1], r"ends inside the disk, which has 1,049,076 bytes \(at byte 1,049,075 "),
        (DISK + b"\0\1", "the bytes behind the disk's 1,049,076 are not zeros"),
        (DISK + bytes(MIB) + b"\1", "are not zeros"),
        (DISK + bytes(2 * MIB), "goes on for 2,097,152 bytes behind the disk's 1,049,076"),
        (DISK + bytes(3 * MIB), "goes on for 2,097,152 bytes"),
        (DISK + ANSWER, "not zeros; the pool's error text inside the stream: HTTP/1.1 500 Internal Error"),
        (DISK[:700] + ANSWER, "ends inside.* the pool's error text inside the stream: HTTP/1.1 500 Internal Error"),
        (DISK[:-20] + ANSWER, "are not zeros"),
    ],
)
@pytest.mark.parametrize("step", [1013, MIB])
def test_streams_that_are_not_the_disk_are_refused(image: bytes, message: str, step: int) -> None:
    with pytest.raises(ImageError, match=message):
        stored(image, step)


def test_it_is_refused_once_and_for_all() -> None:
    check = RawCheck(10)
    with pytest.raises(ImageError):
        check.feed(b"x" * 11 + bytes(3 * MIB))
    with pytest.raises(ImageError, match="over already"):
        check.close()


@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=300), st.binary(max_size=300), st.integers(1, 50))
def test_only_a_disk_and_zeros_are_good(disk: bytes, follows: bytes, step: int) -> None:
    if any(follows):
        with pytest.raises(ImageError):
            stored(disk + follows, step, len(disk))
    else:
        assert stored(disk + follows, step, len(disk))[0] == disk
