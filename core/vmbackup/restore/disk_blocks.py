"""The disks inside a stored image, in the blocks that a VHD is made of: which hold something, and what."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from typing_extensions import Buffer

from vmbackup.holes import data_ranges
from vmbackup.images import VHD_BLOCK
from vmbackup.manifest import Image, StoredFile
from vmbackup.verify import proving


class UsedBlocks:
    """A sink that notes the numbers of the blocks that are not all zero, in their order."""

    def __init__(self) -> None:
        """Start with none."""
        self.numbers: list[int] = []

    def take(self, offset: int, piece: Buffer) -> None:
        """Note the blocks of a piece of the disk that stands at `offset` in it."""
        for start, end in data_ranges(piece, offset):
            first, last = (offset + start) // VHD_BLOCK, (offset + end - 1) // VHD_BLOCK
            known = self.numbers[-1] if self.numbers else -1
            self.numbers.extend(range(max(first, known + 1), last + 1))


@dataclass(slots=True)
class _Gathering:
    """Puts the blocks called `used` together, by the UUIDs of their disks, as the pieces of one after the other come.

    A block is `ready` when the first piece beyond it has come, be it of the next disk.
    """

    used: Mapping[str, frozenset[int]]
    ready: list[tuple[str, bytes]] = field(default_factory=list)
    _at: tuple[str, int] = ("", -1)
    _block: bytearray = field(default_factory=lambda: bytearray(VHD_BLOCK))

    def take(self, uuid: str, offset: int, piece: Buffer) -> None:
        with memoryview(piece) as view, view.cast("B") as octets:
            done = 0
            while done < octets.nbytes:
                number, at = divmod(offset + done, VHD_BLOCK)
                length = min(octets.nbytes - done, VHD_BLOCK - at)
                if (uuid, number) != self._at:
                    self.flush()
                    self._at = uuid, number
                self._block[at : at + length] = octets[done : done + length]
                done += length

    def flush(self) -> None:
        uuid, number = self._at
        if number in self.used.get(uuid, ()):
            self.ready.append((uuid, bytes(self._block)))
        self._block = bytearray(VHD_BLOCK)


def disk_blocks(
    pieces: Iterable[Buffer], image: Image, file: StoredFile, used: Mapping[str, Sequence[int]]
) -> Iterator[tuple[str, bytes]]:
    """Yield the used blocks of the disks, each with its disk's UUID in the image, disk after disk as they stand there.

    At the end alone they are proven; raises what `verify.proving` raises.
    """
    gathering = _Gathering({uuid: frozenset(numbers) for uuid, numbers in used.items()})
    sinks = {uuid: partial(gathering.take, uuid) for uuid in used}
    for _ in proving(pieces, image, file, sinks):
        yield from gathering.ready
        gathering.ready.clear()
    gathering.flush()
    yield from gathering.ready
