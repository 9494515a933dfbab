import threading
import time
from collections.abc import Iterator

import pytest

from vmbackup_compressors.in_order import MOST, in_order, usual_threads


def test_results_come_in_the_order_of_the_items_whoever_is_first() -> None:
    last = threading.Event()

    def work(item: int) -> int:
        if item == 0:
            assert last.wait(60)
        if item == 3:
            last.set()
        return item * 2

    assert list(in_order(work, range(4), threads=4)) == [0, 2, 4, 6]


def test_so_many_are_worked_on_at_once() -> None:
    everybody = threading.Barrier(3)
    assert list(in_order(lambda _: everybody.wait(60) >= 0, range(9), threads=3)) == [True] * 9


def test_no_more_items_are_taken_than_the_threads_need() -> None:
    taken = []
    hold = threading.Event()

    def items() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    def work(item: int) -> int:
        assert item != 0 or hold.wait(60)
        return item

    results = in_order(work, items(), threads=2)
    threading.Timer(0.2, hold.set).start()
    assert next(results) == 0
    assert len(taken) == 3
    results.close()


def test_what_the_items_raise_is_raised_at_once() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        list(in_order(lambda item: item, items(), threads=1))


def test_what_the_work_raises_is_raised_in_its_turn() -> None:
    results = in_order(lambda item: 1 // item, [1, 0, 1], threads=2)
    assert next(results) == 1
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_closed_early_it_begins_nothing_more_and_its_threads_end() -> None:
    begun, hold = [], threading.Event()

    def work(item: int) -> int:
        begun.append(item)
        assert item == 0 or hold.wait(60)
        return item

    results = in_order(work, range(100), threads=1)
    assert next(results) == 0
    results.close()
    hold.set()
    deadline = time.monotonic() + 60
    while any(thread.name.startswith("vmbackup-compressor") for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert len(begun) <= 2


def test_there_is_a_thread_for_each_processor_up_to_eight() -> None:
    assert 1 <= usual_threads() <= MOST == 8
