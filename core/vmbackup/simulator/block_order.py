"""What strikes the blocks of a disk on their way into an archive or an image."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from vmbackup.simulator.chunks import Chunk
from vmbackup.simulator.faults import BlockRule, BodyRule, LeaveOutBlock, RepeatBlock, SwapBlocks, WrongChecksum


@dataclass(frozen=True, slots=True)
class Struck:
    """The blocks of one disk that rules strike, by number; one that is never sent gives its place to the next."""

    left_out: frozenset[int] = frozenset()
    repeated: frozenset[int] = frozenset()
    swapped: frozenset[int] = frozenset()
    misprinted: frozenset[int] = frozenset()


NO_MARKS = Struck()


def struck(rules: Iterable[BodyRule], disk: int, count: int) -> Struck:
    """Give what strikes the disk with this place in the stream, which has `count` blocks."""
    mine = [rule for rule in rules if isinstance(rule, BlockRule) and rule.disk == disk and count]

    def blocks(kind: type[BlockRule]) -> frozenset[int]:
        return frozenset(rule.block % count for rule in mine if isinstance(rule, kind))

    return Struck(blocks(LeaveOutBlock), blocks(RepeatBlock), blocks(SwapBlocks), blocks(WrongChecksum))


class Marks:
    """Finds the blocks that are meant in a stream of rising numbers."""

    def __init__(self, blocks: Iterable[int]) -> None:
        self._waiting = sorted(blocks)

    def meet(self, number: int) -> bool:
        """Say whether a block with this number is meant: the first that is not below."""
        due = [block for block in self._waiting if block <= number]
        del self._waiting[: len(due)]
        return bool(due)


def rearranged(chunks: Iterable[Chunk], marks: Struck) -> Iterator[Chunk]:
    """Give the chunks of a disk, some of them twice or after their successor. A chunk is valid until the next."""
    repeated, swapped = Marks(marks.repeated), Marks(marks.swapped)
    held: list[Chunk] = []
    for number, data in chunks:
        if not len(data):  # nobody means a chunk that only keeps the connection alive
            yield number, data
            continue
        if repeated.meet(number):
            yield number, data
        if swapped.meet(number):
            held.append((number, memoryview(bytes(data))))
            continue
        yield number, data
        yield from held
        held.clear()
    yield from held


def sequence(blocks: Sequence[int], marks: Struck) -> list[int]:
    """Give the numbers of blocks in the order in which they are sent."""
    chunks = ((block, memoryview(b"x")) for block in blocks)
    return [number for number, _ in rearranged(chunks, marks)]
