"""One stream to several targets: all or nothing on each, and none holds up the others for longer than it may."""

import threading
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.core.stores import ID, local
from typing_extensions import Buffer

from vmbackup import Stored, TargetError
from vmbackup.errors import ImageError, Interrupted, TargetStalled
from vmbackup.fanout import DEPTH, fan_out
from vmbackup.lane import Lane
from vmbackup.repository import Repository
from vmbackup.stages import Stages
from vmbackup_targets.local import Local

MIB = 1 << 20
CHUNKS = [bytes([number]) * MIB for number in range(3 * DEPTH)]


class Full(Local):
    """A disk that is full after one chunk."""

    def store(self, key: str, chunks: Iterable[Buffer]) -> Stored:
        return super().store(key, self._until_full(chunks))

    def _until_full(self, chunks: Iterable[Buffer]) -> Iterator[Buffer]:
        for chunk in chunks:
            yield chunk
            raise TargetError("the disk is full")


class Hasty(Local):
    """Takes the first chunk for all of them."""

    def store(self, key: str, chunks: Iterable[Buffer]) -> Stored:
        return super().store(key, [next(iter(chunks))])


class Hanging(Local):
    """Hangs after one chunk until it is let go."""

    go_on = threading.Event()

    def store(self, key: str, chunks: Iterable[Buffer]) -> Stored:
        return super().store(key, self._hang(chunks))

    def _hang(self, chunks: Iterable[Buffer]) -> Iterator[Buffer]:
        for chunk in chunks:
            yield chunk
            self.go_on.wait(20)


class Lanes:
    """Lanes to targets in folders of their own."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder = folder
        self._stack = stack
        self.made: list[Lane] = []

    def add(self, kind: type[Local] = Local) -> Lane:
        folder = self._folder / str(len(self.made))
        folder.mkdir()
        target = self._stack.enter_context(local(folder, kind))
        lane = Lane(Repository(target, ID), stall=0.5)
        self._stack.callback(lane.close)
        self.made.append(lane)
        return lane

    def files(self) -> list[dict[str, int]]:
        """The files on each target, hidden ones too, with their sizes."""
        return [
            {path.name: path.stat().st_size for path in sorted((self._folder / str(number)).iterdir())}
            for number in range(len(self.made))
        ]


@pytest.fixture
def lanes(tmp_path: Path) -> Iterator[Lanes]:
    Hanging.go_on.clear()
    with ExitStack() as stack:
        yield Lanes(tmp_path, stack)
        Hanging.go_on.set()


WHOLE = {"key": len(CHUNKS) * MIB}


@pytest.mark.parametrize("count", [1, 3])
def test_every_target_has_all_of_it(lanes: Lanes, count: int, tmp_path: Path) -> None:
    for _ in range(count):
        lanes.add()
    assert fan_out(CHUNKS, lanes.made, "key", Stages()) == {}
    for number in range(count):
        assert (tmp_path / str(number) / "key").read_bytes() == b"".join(CHUNKS)


def test_an_empty_stream(lanes: Lanes) -> None:
    lanes.add()
    assert fan_out([], lanes.made, "key", Stages()) == {}
    assert lanes.files() == [{"key": 0}]


def test_one_that_fails_costs_the_others_nothing(lanes: Lanes) -> None:
    lanes.add()
    full = lanes.add(Full)
    errors = fan_out(CHUNKS, lanes.made, "key", Stages())
    assert {lane: str(error) for lane, error in errors.items()} == {full: "the disk is full"}
    assert lanes.files() == [WHOLE, {}]


def test_one_that_does_not_read_to_the_end_has_failed(lanes: Lanes) -> None:
    hasty = lanes.add(Hasty)
    lanes.add()
    errors = fan_out(CHUNKS, lanes.made, "key", Stages())
    assert list(errors) == [hasty]
    assert "without reading it to its end" in str(errors[hasty])
    assert lanes.files()[1] == WHOLE


def test_one_that_hangs_is_left_behind_and_publishes_nothing_when_it_goes_on(lanes: Lanes) -> None:
    hanging = lanes.add(Hanging)
    lanes.add()
    errors = fan_out(CHUNKS, lanes.made, "key", Stages())
    assert isinstance(errors[hanging], TargetStalled)
    assert lanes.files()[1] == WHOLE
    again = fan_out(CHUNKS, lanes.made, "again", Stages())
    assert isinstance(again[hanging], TargetStalled)
    Hanging.go_on.set()
    deadline = threading.Event()
    for _ in range(100):
        if lanes.files()[0] == {}:
            break
        deadline.wait(0.05)
    assert lanes.files()[0] == {}, "neither a key nor a partial file"


def test_no_more_is_read_when_no_target_is_left(lanes: Lanes) -> None:
    lanes.add(Full)
    read: list[int] = []

    def chunks() -> Iterator[bytes]:
        for number in range(1000):
            read.append(number)
            yield CHUNKS[0]

    assert len(fan_out(chunks(), lanes.made, "key", Stages())) == 1
    assert len(read) < 100


@pytest.mark.parametrize("error", [ImageError("it is broken", position=7), Interrupted(2), KeyError("a bug")])
def test_a_source_that_fails_leaves_nothing_anywhere(lanes: Lanes, error: BaseException) -> None:
    lanes.add()
    lanes.add()

    def chunks() -> Iterator[bytes]:
        yield from CHUNKS
        raise error

    with pytest.raises(type(error)) as caught:
        fan_out(chunks(), lanes.made, "key", Stages())
    assert caught.value is error
    assert lanes.files() == [{}, {}]
