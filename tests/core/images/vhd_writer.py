"""A writer of dynamic VHD streams for the tests, made from the format's description alone."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

MIB = 1 << 20
BLOCK = 2 * MIB


def summed(part: bytearray, at: int) -> bytes:
    """`part` with its checksum at `at`: the complement of the sum of its other bytes."""
    part[at : at + 4] = bytes(4)
    part[at : at + 4] = struct.pack(">I", 0xFFFFFFFF - sum(part))
    return bytes(part)


@dataclass(frozen=True)
class Vhd:
    """A disk of `size` bytes, of which `blocks` have content; a test can change every field of its structure."""

    size: int
    blocks: Mapping[int, bytes]
    kind: int = 3
    cookie: bytes = b"conectix"
    version: int = 0x00010000
    header_at: int = 512
    table_at: int = 2048
    entries: int | None = None
    block_size: int = BLOCK
    header_cookie: bytes = b"cxsparse"
    gap: bytes = bytes(512)
    bitmap: bytes = b"\xff" * 512
    table_filler: bytes = b"\xff"
    moved: Mapping[int, int] = field(default_factory=dict)

    def footer(self) -> bytes:
        part = bytearray(512)
        part[:8] = self.cookie
        struct.pack_into(">IIQI4s", part, 8, 2, self.version, self.header_at, 0, b"caml")
        struct.pack_into(">QQ", part, 40, self.size, self.size)
        struct.pack_into(">I", part, 60, self.kind)
        part[68:84] = b"a random uuid..."
        return summed(part, 64)

    def header(self) -> bytes:
        part = bytearray(1024)
        part[:8] = self.header_cookie
        entries = -(-self.size // BLOCK) if self.entries is None else self.entries
        struct.pack_into(">QQIII", part, 8, 2**64 - 1, self.table_at, 0x00010000, entries, self.block_size)
        return summed(part, 36)

    def table(self) -> bytes:
        count = -(-self.size // BLOCK)
        length = -(-count * 4 // 512) * 512
        places = [0xFFFFFFFF] * count
        for nth, index in enumerate(sorted(self.blocks)):
            places[index] = (2048 + length + nth * (512 + BLOCK)) // 512
        for index, place in self.moved.items():
            places[index] = place
        table = struct.pack(f">{count}I", *places)
        return table + self.table_filler * (length - len(table))

    def stream(self) -> bytes:
        data = b"".join(self.bitmap + self.blocks[index] for index in sorted(self.blocks))
        return self.footer() + self.header() + self.gap + self.table() + data + self.footer()
