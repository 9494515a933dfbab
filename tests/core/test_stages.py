import threading
import time
from collections.abc import Callable, Iterator

import pytest

from vmbackup.stages import CHECKS, COMPRESSION, POOL, WAITS, Clock, Spent, Stages, slowest


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


CASES: dict[str, tuple[Spent, Spent, str]] = {
    "nothing yet": ({}, {}, ""),
    "everybody waits": ({}, {("reading", WAITS): 5.0, ("packing", WAITS): 5.0}, ""),
    "the pool": (
        {},
        {("reading", POOL): 4.0, ("reading", CHECKS): 1.0, ("packing", WAITS): 4.0, ("packing", CHECKS): 1.0},
        POOL,
    ),
    "compression, for which the pool has to wait": (
        {},
        {("reading", POOL): 1.0, ("reading", WAITS): 4.0, ("packing", COMPRESSION): 4.5, ("packing", CHECKS): 0.5},
        COMPRESSION,
    ),
    "a target that never waits, and another that does": (
        {},
        {
            ("reading", POOL): 1.0,
            ("packing", WAITS): 4.0,
            ("packing", CHECKS): 1.0,
            ("nas", "target nas"): 5.0,
            ("usb", "target usb"): 2.0,
            ("usb", WAITS): 3.0,
        },
        "target nas",
    ),
    "only what came since the last look counts": (
        {("reading", POOL): 100.0, ("packing", CHECKS): 10.0},
        {("reading", POOL): 101.0, ("packing", CHECKS): 14.0},
        CHECKS,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_slowest_stage_takes_the_most_of_its_threads_time(case: str) -> None:
    before, after, named = CASES[case]
    assert slowest(before, after) == named


def test_time_in_the_source_and_time_with_the_item_are_told_apart() -> None:
    clock = Clock()
    inside, outside = threading.Event(), threading.Event()

    def source() -> Iterator[int]:
        assert inside.wait(60)
        yield 1

    def use() -> None:
        for _ in clock.passing(source(), POOL, CHECKS):
            assert outside.wait(60)

    thread = threading.Thread(target=use)
    thread.start()
    until(lambda: clock.spent().get(POOL, 0) > 0.1)
    assert CHECKS not in clock.spent()
    inside.set()
    until(lambda: clock.spent().get(CHECKS, 0) > 0.1)
    outside.set()
    thread.join()
    assert list(clock.passing([1, 2, 3], POOL, CHECKS)) == [1, 2, 3]


def test_what_passes_is_not_changed_and_errors_come_through() -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise OSError("no")

    passing = Clock().passing(broken(), POOL, CHECKS)
    assert next(passing) == 1
    with pytest.raises(OSError, match="no"):
        next(passing)


def test_every_target_has_a_clock_of_its_own() -> None:
    stages = Stages()
    for _ in stages.store("nas", [b"x"]):
        until(lambda: stages.spent().get(("nas", "target nas"), 0) > 0.05)
    other = stages.store("usb", [b"x"])
    next(other)
    assert ("usb", "target usb") in stages.spent()
    assert ("nas", "target usb") not in stages.spent()
