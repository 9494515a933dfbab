"""The parts of a dynamic VHD: big-endian numbers, sectors of 512 bytes, blocks of 2 MiB (xapi: f.ml)."""

import struct

SECTOR = 512
FOOTER = 512
HEADER = 1024
TABLE_OFFSET = 2048
# One bit for each of the 4096 sectors of a block.
BITMAP = 512
BLOCK = 2 << 20
SIZE_LIMIT = 2040 << 30

_VERSION = 0x00010000
_DYNAMIC = 3
_UNUSED = 0xFFFFFFFF


def read_footer(footer: bytes) -> int:
    """Return the disk's size in bytes. Raises ValueError if it is not the footer of a dynamic VHD."""
    if footer[:8] != b"conectix":
        raise ValueError("its footer does not begin with conectix")
    if not _sums_up(footer, 64):
        raise ValueError("the checksum of its footer is wrong")
    version, data_offset = struct.unpack_from(">IQ", footer, 12)
    size, kind = struct.unpack_from(">Q4xI", footer, 48)
    if version != _VERSION or data_offset != FOOTER:
        raise ValueError(f"its footer has version {version:#x} and data offset {data_offset:,}")
    if kind != _DYNAMIC:
        raise ValueError(f"it is of type {kind}, where 3 is a dynamic disk and 4 only the difference to another")
    if size > SIZE_LIMIT:
        raise ValueError(f"it claims {size:,} bytes; a VHD has {SIZE_LIMIT:,} at most")
    return int(size)


def read_header(header: bytes, entries: int) -> None:
    """Make sure that the dynamic header has a table of so many entries. Raises ValueError with what is wrong."""
    if header[:8] != b"cxsparse":
        raise ValueError("its header does not begin with cxsparse")
    if not _sums_up(header, 36):
        raise ValueError("the checksum of its header is wrong")
    expected = {"table offset": TABLE_OFFSET, "version": _VERSION, "table length": entries, "block size": BLOCK}
    for (field, right), found in zip(expected.items(), struct.unpack_from(">QIII", header, 16), strict=True):
        if found != right:
            raise ValueError(f"the {field} in its header is {found:,}, not {right:,}")


def entries_for(size: int) -> int:
    """Return how many blocks cover a disk of `size` bytes."""
    return -(-size // BLOCK)


def table_bytes(entries: int) -> int:
    """Return the length of the block table, which fills whole sectors."""
    return -(-entries * 4 // SECTOR) * SECTOR


def allocated(table: bytes, entries: int) -> list[int]:
    """Return which blocks the stream holds. Raises ValueError unless they lie one after the other behind the table."""
    if set(table[entries * 4 :]) not in (set(), {0xFF}, {0}):
        raise ValueError("there is something behind the entries of its block table")
    used: list[int] = []
    right = (TABLE_OFFSET + len(table)) // SECTOR
    for index, (place,) in enumerate(struct.iter_unpack(">I", table[: entries * 4])):
        if place == _UNUSED:
            continue
        if place != right:
            raise ValueError(f"its block {index} is said to be at sector {place:,}, but {right:,} is next")
        used.append(index)
        right += (BITMAP + BLOCK) // SECTOR
    return used


def _sums_up(part: bytes, at: int) -> bool:
    """Compare the checksum at `at` with the complement of the sum of all other bytes."""
    (claimed,) = struct.unpack_from(">I", part, at)
    return bool(claimed == ~(sum(part) - sum(part[at : at + 4])) & 0xFFFFFFFF)
