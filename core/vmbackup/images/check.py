"""What a check of an image format is, and what it can testify to."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from typing_extensions import Buffer

# Takes the data of one disk while a check reads it: the offset in the disk, and the bytes that stand there. Offsets
# rise, and what is left out is zero. The bytes are a view, good for that call alone, and not proven before the check
# has ended.
Sink: TypeAlias = Callable[[int, Buffer], object]


@dataclass(frozen=True, slots=True)
class DiskEvidence:
    """What was seen of one disk inside an image.

    `uuid` is the VDI's as the image names it (empty for raw and VHD streams, which do not), `virtual_size` in bytes,
    `blocks` the data blocks that the stream carried, `data_bytes` their lengths added up, and `blocks_digest` the hex
    XXH64 over every block's offset and checksum, in order: two streams of one disk with equal digests hold equal bytes.
    """

    uuid: str
    virtual_size: int
    blocks: int
    data_bytes: int
    blocks_digest: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """Why an image is held to be whole: its format, its length in bytes (decompressed), and its disks."""

    format: str
    size: int
    disks: tuple[DiskEvidence, ...]


class ImageCheck(ABC):
    """Reads an image while it passes; memory and time are bounded whatever the bytes are.

    A check serves one stream: `feed` for each piece in order, then `close` once. Pieces may have any length, zero
    included; nothing of a piece is kept after `feed` returns.
    """

    @abstractmethod
    def feed(self, piece: Buffer) -> Buffer:
        """Look at `piece` and return what of it is to be stored: less than all where the stream outlasts the image.

        Raises ImageError as soon as the bytes cannot be a whole image any more.
        """

    @abstractmethod
    def close(self) -> Evidence:
        """The stream has ended: say what was seen. Raises ImageError if the image is not whole."""
