"""A dynamic VHD as `/export_raw_vdi?format=vhd` streams it (xapi: vhd-tool's impl.ml, f.ml)."""

import xxhash

from vmbackup.images.blocks import Blocks
from vmbackup.images.check import Evidence, Sink
from vmbackup.images.sequential import Reading, SequentialCheck
from vmbackup.images.vhd_layout import (
    BITMAP,
    BLOCK,
    FOOTER,
    HEADER,
    TABLE_OFFSET,
    allocated,
    entries_for,
    read_footer,
    read_header,
    table_bytes,
)

_ALL_ONES = b"\xff" * BITMAP


class VhdCheck(SequentialCheck):
    """The order and the length of such a stream follow from its block table, so that a cut shows to the byte.

    The blocks themselves have no checksums in the format.
    """

    def __init__(self, expected_size: int, sink: Sink | None = None) -> None:
        """`expected_size` is the disk's virtual size in bytes; a VHD may round it up to whole blocks of 2 MiB.

        `sink` is given the disk's data, up to that size.
        """
        super().__init__()
        self._sink = sink
        self._size = expected_size

    def _read(self) -> Reading[Evidence]:
        self._place = "the first footer"
        footer = yield from self._take(FOOTER)
        try:
            size = read_footer(footer)
        except ValueError as error:
            raise self._fault(f"not a whole VHD: {error}", footer) from None
        if size not in (self._size, entries_for(self._size) * BLOCK):
            raise self._fault(f"the VHD is of a disk of {size:,} bytes; {self._size:,} were expected")
        used = yield from self._table(entries_for(size))
        blocks = Blocks("", self._size, self._sink)
        for index in used:
            blocks.add(index * BLOCK, BLOCK, (yield from self._block(index, blocks)))
        self._place = "the last footer"
        last = yield from self._take(FOOTER)
        if last != footer:
            raise self._fault("the last footer is not the same as the first", last)
        yield from self._nothing_more("the last footer")
        return Evidence("vhd", self.position, (blocks.evidence(),))

    def _table(self, entries: int) -> Reading[list[int]]:
        """Read the header and the block table; return which blocks follow."""
        self._place = "the VHD's header"
        header = yield from self._take(HEADER)
        gap = yield from self._take(TABLE_OFFSET - FOOTER - HEADER)
        if gap.strip(b"\0"):
            raise self._fault("there are bytes between the VHD's header and its block table", gap)
        self._place = "the block table"
        table = yield from self._take(table_bytes(entries))
        try:
            read_header(header, entries)
            return allocated(table, entries)
        except ValueError as error:
            raise self._fault(f"not a whole VHD: {error}", header + table[-FOOTER:]) from None

    def _block(self, index: int, blocks: Blocks) -> Reading[bytes]:
        self._place = f"block {index}"
        bitmap = yield from self._take(BITMAP)
        if bitmap != _ALL_ONES:
            raise self._fault(f"the sector bitmap of block {index} is not all ones", bitmap)
        checksum = xxhash.xxh64()
        yield from self._pour(BLOCK, checksum.update, *blocks.takers(index * BLOCK))
        return checksum.digest()
