"""A transfer ends when nothing moves, and not before."""

import threading
import time
from collections.abc import Iterator

from vmbackup.errors import Stalled, TimeUp, TransferError, VmbackupError
from vmbackup.xapi.watchdog import Limits, Watchdog


def _watch(limits: Limits, progress: Iterator[float], beats: int = 0) -> tuple[VmbackupError | None, float]:
    """Watch something that moves `beats` times, every 50 ms, and then no more; return the end and its seconds."""
    stopped = threading.Event()
    started = time.monotonic()
    with Watchdog("export of web", limits, lambda: next(progress), stopped.set) as watchdog:
        for _ in range(beats):
            time.sleep(0.05)
            watchdog.beat()
        stopped.wait(3)
        return watchdog.reason, time.monotonic() - started


def _never() -> Iterator[float]:
    while True:
        yield 0.25


def _going(until: int) -> Iterator[float]:
    for step in range(until):
        yield step / until
    yield from _never()


def _unknown() -> Iterator[float]:
    yield from ()
    raise TransferError("the pool does not answer")


def test_a_transfer_whose_bytes_and_task_stand_still_is_ended() -> None:
    reason, seconds = _watch(Limits(first_byte=5, stall=0.2), _never(), beats=3)
    assert isinstance(reason, Stalled)
    assert "export of web" in reason.message
    assert 0.3 < seconds < 2


def test_bytes_keep_it_alive() -> None:
    reason, seconds = _watch(Limits(first_byte=5, stall=0.2), _never(), beats=12)
    assert isinstance(reason, Stalled)
    assert seconds > 0.7


def test_the_tasks_progress_keeps_it_alive_without_a_byte() -> None:
    reason, seconds = _watch(Limits(first_byte=0.3, stall=0.3), _going(6))
    assert isinstance(reason, Stalled)
    assert seconds > 1.2


def test_the_first_byte_may_take_longer() -> None:
    reason, seconds = _watch(Limits(first_byte=1.2, stall=0.2), _never())
    assert isinstance(reason, Stalled)
    assert seconds > 1.1


def test_a_pool_that_does_not_answer_has_no_progress() -> None:
    reason, _ = _watch(Limits(first_byte=0.5, stall=0.3), _unknown(), beats=1)
    assert isinstance(reason, Stalled)


def test_its_time_is_up_even_while_bytes_flow() -> None:
    reason, seconds = _watch(Limits(deadline=time.monotonic() + 0.5, stall=0.4), _never(), beats=15)
    assert isinstance(reason, TimeUp)
    assert seconds < 2


def test_a_transfer_that_ends_in_time_is_left_alone() -> None:
    stopped = threading.Event()
    with Watchdog("export", Limits(stall=0.2), lambda: 0.0, stopped.set) as watchdog:
        watchdog.beat()
    time.sleep(0.4)
    assert not stopped.is_set()
    assert watchdog.reason is None


def test_a_stream_that_nobody_waits_for_does_not_stand_still() -> None:
    stopped = threading.Event()
    limits = Limits(first_byte=5, stall=0.2)
    with Watchdog("export of web", limits, lambda: 0.25, stopped.set) as watchdog:
        watchdog.beat()
        watchdog.hold()
        assert not stopped.wait(1)
        watchdog.beat()
        assert stopped.wait(3)
    assert isinstance(watchdog.reason, Stalled)


def test_the_deadline_ends_even_a_stream_that_nobody_waits_for() -> None:
    stopped = threading.Event()
    limits = Limits(first_byte=5, stall=0.2, deadline=time.monotonic() + 0.3)
    with Watchdog("export of web", limits, lambda: 0.25, stopped.set) as watchdog:
        watchdog.hold()
        assert stopped.wait(3)
    assert isinstance(watchdog.reason, TimeUp)
