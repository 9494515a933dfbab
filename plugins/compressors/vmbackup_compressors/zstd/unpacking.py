"""Frames to content, as strict as can be: what this gives out is what was packed, or it raises."""

from collections.abc import Iterable, Iterator
from typing import Final

import zstandard

from vmbackup import Buffer, ImageError
from vmbackup_compressors.chunks import Source, pieces
from vmbackup_compressors.in_order import in_order
from vmbackup_compressors.zstd.packing import CHECKSUM, FRAME
from vmbackup_compressors.zstd.table import Entry, seek_table

# The largest window that `zstd -d` takes without options (zstd: `ZSTD_WINDOWLOG_LIMIT_DEFAULT`).
WINDOW: Final = 1 << 27
_MAGIC: Final = b"\x28\xb5\x2f\xfd"
# RFC 8878, 3.1.1.2: no block is larger, nor makes more.
_BLOCK: Final = 128 << 10
_RLE, _RESERVED = 1, 3
# A frame that could not be made smaller has a block header each 128 KiB, its own header, and its checksum.
_LARGEST: Final = FRAME + 3 * (FRAME // _BLOCK + 1) + 18 + CHECKSUM


def unpack(chunks: Iterable[Buffer], threads: int) -> Iterator[Buffer]:
    """Yield the content, in pieces of 1 MiB at most. Raises ImageError for whatever else the stream is.

    Frames that say how much they hold must be followed by their seek table, so that none can be missing. Before there
    was one, a file was a single frame, which did not say it.
    """
    source = Source(chunks)
    header, facts = _header(source)
    if facts.content_size == zstandard.CONTENTSIZE_UNKNOWN:
        yield from _single(source, header)
    else:
        for content in in_order(_content, _frames(source, header, facts), threads):
            yield from pieces(content)
    source.end()


def _header(source: Source) -> tuple[bytes, zstandard.FrameParameters]:
    """Read the header of a frame, and refuse one that asks for too much memory."""
    header = source.take(len(_MAGIC) + 1)
    if not header.startswith(_MAGIC):
        raise source.wrong("is damaged: it does not begin with a zstd frame")
    try:
        header += source.take(zstandard.frame_header_size(header) - len(header))
        facts = zstandard.get_frame_parameters(header)
    except zstandard.ZstdError as error:
        raise source.wrong(f"is damaged: {error}") from error
    if facts.window_size > WINDOW:
        raise source.wrong(f"asks for {facts.window_size:,} bytes of memory, and {WINDOW:,} are given at most")
    if not facts.has_checksum:
        raise source.wrong("is damaged: it has a frame without a checksum")
    return header, facts


def _blocks(source: Source) -> Iterator[bytes]:
    """Yield the blocks of a frame whose header has been read, with their own headers, and its checksum at the end."""
    last = False
    while not last:
        head = source.take(3)
        number = int.from_bytes(head, "little")
        last, kind, size = bool(number & 1), number >> 1 & 3, number >> 3
        if kind == _RESERVED or size > _BLOCK:
            raise source.wrong("is damaged: it has a block of no known kind or size")
        yield head + source.take(1 if kind == _RLE else size)
    yield source.take(CHECKSUM)


def _single(source: Source, header: bytes) -> Iterator[Buffer]:
    frame = zstandard.ZstdDecompressor(max_window_size=WINDOW).decompressobj()
    try:
        for part in (header, *_blocks(source)):
            if content := frame.decompress(part):
                yield content
                source.position += len(content)
    except zstandard.ZstdError as error:
        raise source.wrong(f"is damaged: {error}") from error


def _frames(source: Source, header: bytes, facts: zstandard.FrameParameters) -> Iterator[tuple[int, bytes]]:
    """Yield each frame and its place in the content; at the end the table must be the one of exactly these frames."""
    entries: list[Entry] = []
    while True:
        if facts.content_size > FRAME:
            raise source.wrong(f"is damaged: a frame claims to hold {facts.content_size:,} bytes")
        frame = bytearray(header)
        for part in _blocks(source):
            frame += part
            if len(frame) > _LARGEST:
                raise source.wrong("is damaged: a frame does not end")
        entries.append(Entry(len(frame), facts.content_size, bytes(frame[-CHECKSUM:])))
        yield source.position, bytes(frame)
        source.position += facts.content_size
        magic = source.take(len(_MAGIC))
        if magic != _MAGIC:
            break
        source.put_back(magic)
        header, facts = _header(source)
    wanted = seek_table(entries)
    found = magic + source.up_to(len(wanted) - len(magic))
    if found != wanted:
        raise source.wrong(
            "ends in the middle" if wanted.startswith(found) else "is damaged: its table does not list these frames"
        )


def _content(work: tuple[int, bytes]) -> bytes:
    position, frame = work
    try:
        return zstandard.ZstdDecompressor().decompress(frame)
    except zstandard.ZstdError as error:
        raise ImageError(f"the compressed stream is damaged: {error}", position=position) from error
