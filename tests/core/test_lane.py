"""A target's own thread: what hangs there is left behind after its time; what moves is waited for."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import pytest
from tests.core.stores import ID, local

from vmbackup.errors import KeyMissing, TargetStalled
from vmbackup.lane import Lane
from vmbackup.repository import Repository
from vmbackup_targets.local import Local, LocalSettings


@pytest.fixture
def lane(tmp_path: Path) -> Iterator[Lane]:
    with local(tmp_path) as target:
        lane = Lane(Repository(target, ID), stall=0.3)
        yield lane
        lane.close()


def test_what_is_done_there_is_returned_or_raised(lane: Lane, tmp_path: Path) -> None:
    assert lane.do(lambda repository: repository.store("a/b", [b"data"])).size == 4
    assert (tmp_path / "a" / "b").read_bytes() == b"data"
    with pytest.raises(KeyMissing):
        lane.do(lambda repository: repository.fetch_small("none"))
    assert lane.do(lambda _: threading.current_thread().name) == "vmbackup-nas"


def test_one_thing_after_the_other(lane: Lane) -> None:
    seen: list[int] = []
    futures = [lane.start(lambda _, number=number: seen.append(number)) for number in range(50)]  # type: ignore[misc]
    lane.finish(futures[-1])
    assert seen == list(range(50))


def test_what_hangs_is_left_behind_and_nothing_else_is_begun_until_it_has_ended(lane: Lane) -> None:
    go_on = threading.Event()
    with pytest.raises(TargetStalled, match="the target nas hangs: for 0 s nothing has moved"):
        lane.do(lambda _: go_on.wait(20))
    with pytest.raises(TargetStalled, match="the target nas still hangs"):
        lane.do(lambda _: None)
    go_on.set()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            lane.do(lambda _: None)
        except TargetStalled:
            time.sleep(0.01)
        else:
            return
    pytest.fail("the lane stays closed")


class Freed(Local):
    """A target on which leaving ends what hangs."""

    left = threading.Event()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        time.sleep(0.1)
        self.left.set()
        super().__exit__(kind, error, trace)


def test_a_target_is_left_although_something_hangs_there(tmp_path: Path) -> None:
    lane = Lane(Repository(Freed("nas", LocalSettings(path=tmp_path)), ID), stall=0.3)
    with pytest.raises(TargetStalled):
        lane.do(lambda _: Freed.left.wait())
    lane.exit()
    assert Freed.left.is_set()
    lane.close()


def test_what_moves_slowly_is_waited_for(lane: Lane) -> None:
    def slowly() -> Iterator[bytes]:
        for _ in range(8):
            time.sleep(0.1)
            yield b"x"

    assert lane.do(lambda repository: repository.store("slow", slowly())).size == 8


def test_every_movement_on_the_target_counts(lane: Lane) -> None:
    """Each step alone is within the time, all of them together are not."""

    def many(repository: Repository) -> int:
        target = repository.target
        target.store("a/b", [b"12345"])
        done = 0
        for step in (
            lambda: target.stat("a/b"),
            lambda: list(target.fetch("a/b")),
            lambda: list(target.entries("a")),
            target.free,
            lambda: list(target.leftovers()),
            lambda: target.delete("a/b"),
        ):
            time.sleep(0.15)
            step()
            done += 1
        return done

    assert lane.do(many) == 6
