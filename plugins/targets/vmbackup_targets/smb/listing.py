"""What a server says of the files of a folder, read from the bytes of its answer."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

FOLDER: Final = 0x10
LINK: Final = 0x400
# FileDirectoryInformation (MS-FSCC 2.4.10): next entry, index, four times, size, allocation, attributes, name's length.
_ENTRY: Final = struct.Struct("<IIQQQQQQII")
_EPOCH: Final = datetime(1601, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Found:
    """A name in a folder: `attributes` as MS-FSCC 2.6 counts them, `size` in bytes, `modified` in UTC."""

    name: str
    attributes: int
    size: int
    modified: datetime

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder, and no link to one."""
        return bool(self.attributes & FOLDER) and not self.is_link

    @property
    def is_file(self) -> bool:
        """Whether it is a file, and no link to one."""
        return not self.attributes & (FOLDER | LINK)

    @property
    def is_link(self) -> bool:
        """Whether it is a link or a junction, or anything else that leads elsewhere."""
        return bool(self.attributes & LINK)


def parse(answer: bytes) -> Iterator[Found]:
    """The entries of one answer, without the folder itself and the one above. Raises ValueError for a broken one."""
    at = 0
    while True:
        if at + _ENTRY.size > len(answer):
            raise ValueError("an entry of a listing is cut short")
        following, _, _, _, written, _, size, _, attributes, length = _ENTRY.unpack_from(answer, at)
        name = answer[at + _ENTRY.size : at + _ENTRY.size + length]
        if len(name) != length or 0 < following < _ENTRY.size + length:
            raise ValueError("an entry of a listing is cut short")
        # A lone surrogate, which Windows allows, is in no key.
        text = name.decode("utf-16-le", "replace")
        if text not in {".", ".."}:
            yield Found(text, attributes, size, when(written))
        if not following:
            return
        at += following


def when(filetime: int) -> datetime:
    """The moment of a FILETIME: tenths of microseconds since 1601 (MS-DTYP 2.3.3)."""
    try:
        return _EPOCH + timedelta(microseconds=filetime // 10)
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)
