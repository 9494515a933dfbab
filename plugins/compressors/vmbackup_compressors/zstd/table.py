"""The table at the end of a file in zstd's seekable format (zstd: contrib/seekable_format)."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

MAGIC: Final = 0x184D2A5E
_HEAD: Final = struct.Struct("<II")
_ENTRY: Final = struct.Struct("<II4s")
_FOOT: Final = struct.Struct("<IBI")
_HAS_CHECKSUMS: Final = 0x80
_END: Final = 0x8F92EAB1


@dataclass(frozen=True, slots=True)
class Entry:
    """One frame: its size in bytes, that of its content, and the checksum that the frame itself ends with."""

    packed: int
    content: int
    checksum: bytes


def seek_table(frames: Sequence[Entry]) -> bytes:
    """Return the table of these frames, itself a frame that every zstd skips."""
    entries = b"".join(_ENTRY.pack(frame.packed, frame.content, frame.checksum) for frame in frames)
    return _HEAD.pack(MAGIC, len(entries) + _FOOT.size) + entries + _FOOT.pack(len(frames), _HAS_CHECKSUMS, _END)
