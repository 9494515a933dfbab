"""Writing a dynamic VHD as a stream, as `/import_raw_vdi?format=vhd` takes it (xapi: vhd-tool's impl.ml, f.ml)."""

import struct
import uuid
from collections.abc import Iterable, Iterator, Sequence

from typing_extensions import Buffer

from vmbackup.images.vhd_layout import (
    BITMAP,
    BLOCK,
    FOOTER,
    HEADER,
    SECTOR,
    TABLE_OFFSET,
    entries_for,
    table_bytes,
)

_ALL_ONES = b"\xff" * BITMAP
_NO_BLOCK = 0xFFFFFFFF


def vhd_size(virtual_size: int, used: Sequence[int]) -> int:
    """Return the length in bytes of the stream that `vhd_stream` yields."""
    return TABLE_OFFSET + table_bytes(entries_for(virtual_size)) + len(used) * (BITMAP + BLOCK) + FOOTER


def vhd_stream(virtual_size: int, used: Sequence[int], blocks: Iterable[Buffer]) -> Iterator[Buffer]:
    """Yield a VHD of a disk of `virtual_size` bytes whose blocks of 2 MiB with the numbers `used` are `blocks`.

    The numbers rise; what is not among them is zero.
    """
    footer = _footer(virtual_size)
    entries = entries_for(virtual_size)
    yield footer + _header(entries) + bytes(TABLE_OFFSET - FOOTER - HEADER)
    table = [_NO_BLOCK] * (table_bytes(entries) // 4)
    place = (TABLE_OFFSET + table_bytes(entries)) // SECTOR
    for index in used:
        table[index] = place
        place += (BITMAP + BLOCK) // SECTOR
    yield struct.pack(f">{len(table)}I", *table)
    for block in blocks:
        yield _ALL_ONES
        yield block
    yield footer


def _footer(virtual_size: int) -> bytes:
    # The geometry is for BIOSes that go by it; hosts go by the size.
    parts = (b"conectix", 2, 0x00010000, FOOTER, 0, b"vmbk", 0x00010000, b"Wi2k", virtual_size, virtual_size, 0, 3, 0)
    return _summed(struct.pack(">8sIIQI4sI4sQQIII16s", *parts, uuid.uuid4().bytes).ljust(FOOTER, b"\0"), 64)


def _header(entries: int) -> bytes:
    parts = (b"cxsparse", 0xFFFFFFFFFFFFFFFF, TABLE_OFFSET, 0x00010000, entries, BLOCK)
    return _summed(struct.pack(">8sQQIII", *parts).ljust(HEADER, b"\0"), 36)


def _summed(part: bytes, at: int) -> bytes:
    """Put in the complement of the sum of all bytes."""
    return part[:at] + struct.pack(">I", ~sum(part) & 0xFFFFFFFF) + part[at + 4 :]
