"""Promises of compressors that change the bytes: what comes back is what was packed, or ImageError."""

import contextlib
import random
from collections.abc import Iterator
from itertools import accumulate

from typing_extensions import Buffer

from vmbackup.conformance.content import MIB, noise
from vmbackup.conformance.holding import PromiseBroken, require
from vmbackup.conformance.packing import content, cut, pack, require_refused, unpack
from vmbackup.contracts import Compressor
from vmbackup.errors import ImageError
from vmbackup.settings import Settings

SMALL = 6_000
LARGE = 33 * MIB + 4711
ENDS = 24
INNER = 20
GARBAGE = (b"\0", b"x", b"\0" * 512, b"HTTP/1.1 500 Internal Server Error\r\n\r\n", bytes(2 * MIB))


def finds_every_cut(compressor: Compressor[Settings]) -> None:
    """A stream that ends early is an ImageError wherever it is cut, also between two of its parts, and in its end."""
    small = b"".join(pack(compressor, [noise(SMALL // 3) + content(SMALL // 3) + bytes(SMALL // 3)]))
    for end in range(len(small)):
        require_refused(compressor, [small[:end]], f"{end:,} of {len(small):,} packed bytes")
    chunks = pack(compressor, cut(bytes(20 * MIB) + content(2 * MIB) + bytes(LARGE - 22 * MIB), MIB))
    large = b"".join(chunks)
    borders = list(accumulate(len(chunk) for chunk in chunks))[:: -(-len(chunks) // INNER)]
    places = {border + more for border in borders for more in (-1, 0, 1)} | set(range(len(large) - ENDS, len(large)))
    for end in sorted(end for end in places if 0 <= end < len(large)):
        require_refused(compressor, cut(large[:end], MIB), f"{end:,} of {len(large):,} packed bytes")


def never_gives_other_bytes(compressor: Compressor[Settings]) -> None:
    """Whatever is flipped, zeroed, taken out or swapped: it is an ImageError, or the very same bytes come back."""
    data = noise(SMALL // 3) + content(SMALL // 3) + bytes(SMALL // 3)
    packed = b"".join(pack(compressor, [data]))
    for place in range(len(packed)):
        bits = range(8) if min(place, len(packed) - 1 - place) < ENDS else (place % 8,)
        for bit in bits:
            flipped = bytearray(packed)
            flipped[place] ^= 1 << bit
            _require_same_or_refused(compressor, bytes(flipped), data, f"bit {bit} of byte {place:,} was flipped")
    data = content(20 * MIB) + bytes(18 * MIB) + noise(5 * MIB + 5)
    packed = b"".join(pack(compressor, cut(data, MIB)))
    chance = random.Random(len(packed))  # noqa: S311 - the same damage every time
    for _ in range(16):
        first, second = sorted(chance.randrange(0, len(packed) // 4096) * 4096 for _ in range(2))
        for what, damaged in _damages(packed, first, second):
            _require_same_or_refused(compressor, damaged, data, f"{what} at {first:,} and {second:,}")


def _damages(packed: bytes, first: int, second: int) -> Iterator[tuple[str, bytes]]:
    one, other = packed[first : first + 4096], packed[second : second + 4096]
    if first + 4096 <= second:
        yield (
            "blocks were swapped",
            packed[:first] + other + packed[first + 4096 : second] + one + packed[second + 4096 :],
        )
    yield "what lay between was taken out,", packed[:first] + packed[second:]
    yield "a block was zeroed", packed[:second] + bytes(len(other)) + packed[second + len(other) :]
    yield "bytes were put in", packed[:first] + one[:7] + packed[first:]


def _require_same_or_refused(compressor: Compressor[Settings], packed: bytes, data: bytes, what: str) -> None:
    try:
        found = unpack(compressor, cut(packed, MIB))
    except ImageError:
        return
    except Exception as error:
        raise PromiseBroken(f"{what}, and that raised {type(error).__name__}, not ImageError: {error}") from error
    require(found == data, f"{what}, and {len(found):,} other bytes come back where {len(data):,} were packed")


def refuses_what_follows_its_end(compressor: Compressor[Settings]) -> None:
    """Bytes behind the end are an ImageError: they are no part of the image, or of another one."""
    for data in (b"", content(3 * MIB)):
        packed = b"".join(pack(compressor, [data]))
        for garbage in GARBAGE:
            for chunks in ([packed + garbage], [packed, b"", garbage]):
                require_refused(compressor, chunks, f"a packed image with {len(garbage):,} bytes behind its end")


def leaves_no_end_when_its_source_fails(compressor: Compressor[Settings]) -> None:
    """What was given out before the source raised is a stream that ends early, so that it cannot be taken for whole."""
    for size in (0, 1, MIB, 16 * MIB, 32 * MIB, 33 * MIB):
        given: list[Buffer] = []
        with contextlib.suppress(_SourceFailed):
            given.extend(compressor.compress(_failing(content(size))))
        require_refused(compressor, given, f"what was given out of {size:,} bytes before their source failed")


class _SourceFailed(Exception):
    pass


def _failing(data: bytes) -> Iterator[Buffer]:
    yield from cut(data, MIB)
    raise _SourceFailed
