"""How large the parts of a file are whose length nobody knows before its end, and how many are under way at once.

S3 takes 10,000 parts of 5 MiB to 5 GiB each; only the last may be smaller (Amazon S3 User Guide, "multipart upload
limits").
"""

from collections.abc import Iterator
from itertools import chain, repeat
from typing import Final

MIB: Final = 1 << 20
PARTS: Final = 10_000
_STEP: Final = 500
_GROWING: Final = tuple(size * MIB for size in (16, 32, 64, 128, 256, 512))
# 500 of each of the above are 492 GiB; the 7,000 that are left take the rest of 5 TiB.
_LAST: Final = 704 * MIB

_FLIGHT: Final = 4
_BUDGET: Final = 256 * MIB


def sizes(fixed: int | None) -> Iterator[int]:
    """The size in bytes of each part in turn; all are of `fixed` bytes if that is given."""
    if fixed is not None:
        return repeat(fixed, PARTS)
    return chain(*(repeat(size, _STEP) for size in _GROWING), repeat(_LAST, PARTS - _STEP * len(_GROWING)))


def flight(size: int) -> int:
    """How many parts of `size` bytes may be under way at once: four, or fewer where they are large, but never one."""
    return max(2, min(_FLIGHT, _BUDGET // size))
