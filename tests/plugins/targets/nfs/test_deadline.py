import threading
from collections.abc import Callable

import pytest

from vmbackup_targets.nfs.deadline import NoAnswer, within


def test_what_comes_in_time_is_returned_or_raised() -> None:
    assert within(60, lambda: 7) == 7

    def fails() -> None:
        raise TimeoutError(110, "Connection timed out")

    with pytest.raises(TimeoutError, match="Connection timed out"):
        within(60, fails)


def test_what_comes_too_late_is_given_to_who_undoes_it() -> None:
    gate, undone, late = threading.Event(), threading.Event(), []

    def slow() -> int:
        gate.wait()
        return 7

    def undo(result: int) -> None:
        late.append(result)
        undone.set()

    with pytest.raises(NoAnswer):
        within(0.01, slow, undo)
    gate.set()
    assert undone.wait(60)
    assert late == [7]


def test_an_error_that_comes_too_late_is_nobodys() -> None:
    gate = threading.Event()

    def slow() -> None:
        gate.wait()
        raise OSError

    threads = waiting(lambda: within(0.01, slow))
    gate.set()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()


def waiting(call: Callable[[], object]) -> list[threading.Thread]:
    """Let a call fail for want of an answer; return the threads that it leaves."""
    before = set(threading.enumerate())
    with pytest.raises(NoAnswer):
        call()
    return [thread for thread in threading.enumerate() if thread not in before]


def test_a_call_that_never_returns_does_not_keep_the_process() -> None:
    (thread,) = waiting(lambda: within(0.01, GATE.wait))
    assert thread.daemon
    GATE.set()
    thread.join(60)


GATE = threading.Event()
