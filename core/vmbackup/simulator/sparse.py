"""Sparse files: where they hold data, copying them, their digest, and contents made from a seed."""

import hashlib
import os
import random
from collections.abc import Iterator
from pathlib import Path

import xxhash

MIB = 1 << 20
VHD_BLOCK = 2 * MIB
ZEROS = bytes(2 * MIB)
_PATTERN = 16 << 10  # bytes; within gzip's window, so that contents compress


def is_zero(view: memoryview) -> bool:
    """Say whether the bytes (2 MiB at most) are all zero; a memcmp, not a loop."""
    return ZEROS.startswith(view)


def data_extents(descriptor: int, size: int, position: int = 0) -> Iterator[tuple[int, int]]:
    """Give (start, end) of the parts of a file that are no holes, from `position` up to `size` bytes."""
    while position < size:
        try:
            start = os.lseek(descriptor, position, os.SEEK_DATA)
        except OSError:  # ENXIO: nothing but a hole up to the end
            return
        if start >= size:
            return
        position = min(os.lseek(descriptor, start, os.SEEK_HOLE), size)
        yield start, position


def copy_sparse(source: Path, target: Path, size: int) -> None:
    """Copy up to `size` bytes of a file; holes stay holes and the copy is `size` bytes long."""
    with source.open("rb") as old, target.open("wb") as new:
        for start, end in data_extents(old.fileno(), size):
            position = start
            while position < end:
                position += os.copy_file_range(old.fileno(), new.fileno(), end - position, position, position)
        new.truncate(size)


def fill(path: Path, size: int, seed: int, share: float) -> None:
    """Write a disk whose MiB blocks hold data in the given share, always the same for one seed.

    The first block holds data, as every disk with a partition table does; no two blocks are alike.
    """
    chooser = random.Random(seed)  # noqa: S311  contents for tests, no secret
    with path.open("wb") as file:
        file.truncate(size)
        for block in range(-(-size // MIB)):
            if chooser.random() < share or not block:
                length = min(MIB, size - block * MIB)
                os.pwrite(file.fileno(), _contents(f"{seed}/{block}")[:length], block * MIB)


def _contents(seed: str) -> bytes:
    """Make a MiB that compresses and still shows every shift: a pattern, numbered each time it is repeated."""
    pattern = random.Random(seed).randbytes(_PATTERN - 8)  # noqa: S311  contents for tests, no secret
    return b"".join(number.to_bytes(8, "big") + pattern for number in range(MIB // _PATTERN))


def digest(descriptor: int, size: int) -> str:
    """Compute the SHA-256 (lower-case hex) of the first `size` bytes; holes count as zeros and are not read."""
    sha = hashlib.sha256()
    position = 0
    for start, end in data_extents(descriptor, size):
        _zeros(sha, start - position)
        position = start
        while position < end:
            data = os.pread(descriptor, min(MIB, end - position), position)
            sha.update(data)
            position += len(data)
    _zeros(sha, size - position)
    return sha.hexdigest()


def fingerprint(descriptor: int, size: int) -> str:
    """Compute what tells contents of `size` bytes apart from others, wherever zeros are holes; holes cost nothing."""
    found = xxhash.xxh3_128(size.to_bytes(8, "big"))
    done = 0
    for start, end in data_extents(descriptor, size):
        for block in range(max(done, start // MIB), -(-end // MIB)):
            done = block + 1
            data = os.pread(descriptor, min(MIB, size - block * MIB), block * MIB)
            if not is_zero(memoryview(data)):
                found.update(block.to_bytes(8, "big") + data)
    return found.hexdigest()


def same(one: int, other: int, size: int) -> bool:
    """Compare two files of `size` bytes byte by byte, wherever either of them is no hole."""
    for holder in (one, other):
        for start, end in data_extents(holder, size):
            for position in range(start, end, MIB):
                length = min(MIB, end - position)
                if os.pread(one, length, position) != os.pread(other, length, position):
                    return False
    return True


def differing(one: int, other: int, size: int) -> list[int]:
    """Give the blocks of 2 MiB, ascending and up to `size` bytes, in which two files differ; their ends are zeros."""
    touched = {
        block
        for holder in (one, other)
        for start, end in data_extents(holder, size)
        for block in range(start // VHD_BLOCK, (end - 1) // VHD_BLOCK + 1)
    }
    return [block for block in sorted(touched) if _block(one, size, block) != _block(other, size, block)]


def _block(descriptor: int, size: int, block: int) -> bytes:
    length = min(VHD_BLOCK, size - block * VHD_BLOCK)
    return os.pread(descriptor, length, block * VHD_BLOCK).ljust(length, b"\0")


def _zeros(sha: "hashlib._Hash", count: int) -> None:
    while count > 0:
        sha.update(ZEROS[: min(count, len(ZEROS))])
        count -= len(ZEROS)
