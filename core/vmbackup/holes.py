"""Where bytes that go into a file are not zero, so that the rest can stay a hole."""

from collections.abc import Iterator
from typing import Final

from typing_extensions import Buffer

# Zeros are looked for in blocks of this size, counted from the beginning of the file. Looking costs 4 us a MiB where
# there are none, against some 300 us for writing it; with blocks of 4 KiB it is ten times that.
GRAIN: Final = 1 << 16
_ZEROS: Final = bytes(GRAIN)


def data_ranges(piece: Buffer, position: int) -> Iterator[tuple[int, int]]:
    """Yield start and end of what in `piece`, which comes to lie at `position` in the file, is not all zero."""
    with memoryview(piece) as view, view.cast("B") as octets:
        start, end = 0, 0
        while end < octets.nbytes:
            block = end
            end = min(octets.nbytes, end + GRAIN - (position + end) % GRAIN)
            # Comparing views goes byte by byte in the interpreter; a copy of one block stays in the processor's cache.
            if octets[block] == 0 == octets[end - 1] and bytes(octets[block:end]) == _ZEROS[: end - block]:
                if start < block:
                    yield start, block
                start = end
        if start < end:
            yield start, end
