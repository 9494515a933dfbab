"""Dynamic VHDs: the layout that vhd-tool writes, and reading one from a stream (f.ml, vhd-tool impl.ml)."""

import struct
import uuid as uuids
from collections.abc import Sequence
from dataclasses import dataclass

SECTOR = 512
BLOCK = 2 << 20
UNUSED = 0xFFFFFFFF
FRONT = 3 * SECTOR  # footer copy and header
BITMAP = b"\xff" * SECTOR
_BAT_AT = 2048
_DYNAMIC = 3
_DIFFERENCING = 4


@dataclass(frozen=True, slots=True)
class Parent:
    """What a differencing VHD says of the image that it is a difference to: the uuid in its footer, and its name."""

    uuid: uuids.UUID
    name: str


def _checksummed(record: bytes, at: int) -> bytes:
    total = ~sum(record) & 0xFFFFFFFF
    return record[:at] + struct.pack(">I", total) + record[at + 4 :]


def footer(size: int, parent: Parent | None = None) -> bytes:
    """Write the footer of a dynamic or differencing disk of `size` bytes, with a uuid of its own each time."""
    record = struct.pack(
        ">8sIIQI4sI4sQQ4sII16sB427x",
        b"conectix",
        2,  # features: the bit that is always set
        0x00010000,
        SECTOR,  # where the dynamic header lies
        0,  # time stamp
        b"caml",
        0x00010000,  # version of the creator
        b"\0\0\0\0",  # its operating system
        size,
        size,
        _geometry(size),
        _DYNAMIC if parent is None else _DIFFERENCING,
        0,  # checksum
        uuids.uuid4().bytes,
        0,
    )
    return _checksummed(record, 64)


def misprinted(record: bytes) -> bytes:
    """Give a footer with another checksum than its own."""
    return record[:64] + bytes(byte ^ 0xFF for byte in record[64:68]) + record[68:]


def _geometry(size: int) -> bytes:
    """Compute cylinders, heads and sectors as the VHD specification's appendix does."""
    sectors = min(size // SECTOR, 65535 * 16 * 255)
    if sectors >= 65535 * 16 * 63:
        per_track, heads = 255, 16
    else:
        per_track = 17
        heads = max(4, (sectors // 17 + 1023) // 1024)
        if sectors // 17 >= heads * 1024 or heads > 16:  # noqa: PLR2004  the specification's own figures
            per_track, heads = 31, 16
        if sectors // per_track >= heads * 1024:
            per_track, heads = 63, 16
    return struct.pack(">HBB", min(sectors // per_track // heads, 65535), heads, per_track)


def entries(size: int) -> int:
    """Give how many blocks of 2 MiB a disk has."""
    return -(-size // BLOCK)


def front(size: int, blocks: Sequence[int], tail: bytes, parent: Parent | None = None) -> bytes:
    """Write all that stands before the first block: footer copy, header, and the BAT of the ascending `blocks`."""
    count = entries(size)
    header = struct.pack(
        ">8sQQIII4x16sI4x512s192x256x",
        b"cxsparse",
        UNUSED << 32 | UNUSED,
        _BAT_AT,
        0x00010000,
        count,
        BLOCK,
        parent.uuid.bytes if parent else b"",
        0,
        parent.name.encode("utf-16-be")[:510] if parent else b"",
    )
    table = [UNUSED] * count
    data_at = (_BAT_AT + _table_size(count)) // SECTOR
    for position, block in enumerate(blocks):
        table[block] = data_at + position * (BLOCK // SECTOR + 1)
    bat = struct.pack(f">{count}I", *table).ljust(_table_size(count), b"\xff")
    return tail + _checksummed(header, 36) + bytes(SECTOR) + bat


def _table_size(count: int) -> int:
    return -(-4 * count // SECTOR) * SECTOR


@dataclass(frozen=True, slots=True)
class Layout:
    """What a stream's front said: the disk's size in bytes and the blocks in order of their place in the stream."""

    size: int
    blocks: tuple[int, ...]


def parse_front(head: bytes) -> tuple[int, int]:
    """Read footer copy and header (1536 bytes); gives the size and how many bytes follow up to the first block.

    Other programs leave no sector between header and BAT. Raises ValueError for what is no dynamic VHD of 2 MiB blocks
    whose BAT follows the header and is no longer than the disk asks for.
    """
    if head[:8] != b"conectix" or head[SECTOR : SECTOR + 8] != b"cxsparse":
        raise ValueError("no VHD")
    if _checksummed(head[:64] + bytes(4) + head[68:SECTOR], 64) != head[:SECTOR]:
        raise ValueError("the footer's checksum is wrong")
    size, kind = struct.unpack_from(">Q", head, 48)[0], struct.unpack_from(">I", head, 60)[0]
    table_at, _, count, block = struct.unpack_from(">QIII", head, SECTOR + 16)
    if kind != _DYNAMIC or table_at not in {FRONT, _BAT_AT} or block != BLOCK or count < entries(size):
        raise ValueError("no dynamic VHD of 2 MiB blocks")
    if _table_size(count) != _table_size(entries(size)):
        raise ValueError("the BAT is longer than the disk asks for")
    return size, table_at - len(head) + _table_size(count)


def parse_table(size: int, rest: bytes) -> Layout:
    """Read what stands between header and first block. Raises ValueError when the blocks are not packed."""
    table = struct.unpack_from(f">{entries(size)}I", rest, len(rest) - _table_size(entries(size)))
    used = sorted((sector, block) for block, sector in enumerate(table) if sector != UNUSED)
    start = (FRONT + len(rest)) // SECTOR
    if [sector for sector, _ in used] != [start + i * (BLOCK // SECTOR + 1) for i in range(len(used))]:
        raise ValueError("the blocks of the VHD are not packed")
    return Layout(size, tuple(block for _, block in used))
