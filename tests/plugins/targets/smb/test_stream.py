"""The order of bytes and the count of requests, with servers that answer as none of ours does."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmbackup_targets.smb.handle import Handle
from vmbackup_targets.smb.status import Status
from vmbackup_targets.smb.stream import DEPTH, Writer, read
from vmbackup_targets.smb.trouble import Lost, Refused

T = TypeVar("T")
PIECE = 100
FILE = cast("Handle", None)


@dataclass
class Later(Generic[T]):
    """An outcome that is asked for."""

    lane: "MemoryLane"
    make: Callable[[], T]

    def result(self) -> T:
        self.lane.under_way -= 1
        return self.make()


@dataclass
class MemoryLane:
    """A file in memory; `short` cuts what is read, `count` changes what is said of a write."""

    content: bytearray = field(default_factory=bytearray)
    short: Callable[[bytes], bytes] = field(default=lambda data: data)
    count: Callable[[int], int] = field(default=lambda count: count)
    under_way: int = 0
    most: int = 0
    sizes: list[int] = field(default_factory=list)

    def write(self, handle: Handle, offset: int, data: memoryview) -> Later[int]:
        self._begin()
        self.sizes.append(len(data))
        self.content[offset : offset + len(data)] = data
        size = len(data)
        return Later(self, lambda: self.count(size))

    def read(self, handle: Handle, offset: int, length: int) -> Later[bytes]:
        self._begin()
        return Later(self, lambda: self._read(offset, length))

    def _read(self, offset: int, length: int) -> bytes:
        if offset >= len(self.content):
            raise Refused(Status.END_OF_FILE)
        return self.short(bytes(self.content[offset : offset + length]))

    def _begin(self) -> None:
        self.under_way += 1
        self.most = max(self.most, self.under_way)


@given(st.lists(st.binary(max_size=3 * PIECE), max_size=30))
def test_chunks_of_any_size_become_pieces_of_one_size(chunks: list[bytes]) -> None:
    lane = MemoryLane()
    writer = Writer(lane, FILE, PIECE)
    for chunk in chunks:
        own = bytearray(chunk)
        writer.write(own)
        own[:] = bytes(len(own))
    assert writer.finish() == len(b"".join(chunks))
    assert bytes(lane.content) == b"".join(chunks)
    assert all(size == PIECE for size in lane.sizes[:-1])
    assert lane.under_way == 0
    assert lane.most <= DEPTH


def test_a_write_that_was_cut_short_is_an_error() -> None:
    writer = Writer(MemoryLane(count=lambda count: count - 1), FILE, PIECE)
    writer.write(bytes(PIECE))
    with pytest.raises(Lost, match="wrote 99 bytes where it was sent 100"):
        writer.finish()


def test_a_writer_that_is_abandoned_waits_for_every_answer() -> None:
    def refuse(count: int) -> int:
        raise Refused(Status.DISK_FULL)

    lane = MemoryLane(count=refuse)
    writer = Writer(lane, FILE, PIECE)
    writer.write(bytes(DEPTH * PIECE))
    assert lane.under_way == DEPTH
    writer.abandon()
    assert lane.under_way == 0


@given(st.data())
def test_answers_that_are_short_are_completed_in_order(data: st.DataObject) -> None:
    content = bytes(range(256)) * 8
    lane = MemoryLane(bytearray(content), short=lambda whole: whole[: data.draw(st.integers(1, len(whole)))])
    start = data.draw(st.integers(0, len(content)))
    end = data.draw(st.integers(start, len(content)))
    assert b"".join(read(lane, FILE, PIECE, start, end)) == content[start:end]
    assert lane.under_way == 0


@pytest.mark.parametrize("answer", [b"", bytes(PIECE + 1)])
def test_an_answer_of_an_impossible_length_is_an_error(answer: bytes) -> None:
    lane = MemoryLane(bytearray(1000), short=lambda _: answer)
    with pytest.raises(Lost, match=f"returned {len(answer)} bytes where it was asked for 100"):
        list(read(lane, FILE, PIECE, 0, 1000))
    assert lane.under_way == 0


def test_a_file_that_was_cut_meanwhile_ends_where_it_ends() -> None:
    lane = MemoryLane(bytearray(b"x" * 250))
    assert b"".join(read(lane, FILE, PIECE, 0, 10_000)) == b"x" * 250
    assert lane.under_way == 0
    assert lane.most == DEPTH


def test_a_reader_that_stops_waits_for_what_it_has_asked_for() -> None:
    lane = MemoryLane(bytearray(10_000))
    pieces = read(lane, FILE, PIECE, 0, 10_000)
    next(pieces)
    pieces.close()
    assert lane.under_way == 0
