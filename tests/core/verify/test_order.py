from dataclasses import replace
from datetime import timedelta

import pytest
from tests.core.builders import START, backup
from tests.core.verify.images import result

from vmbackup.errors import TimeUp
from vmbackup.manifest import Verified
from vmbackup.results import Backup
from vmbackup.verify import Clock, in_turn


def seen(number: int, *results: Verified) -> Backup:
    return replace(backup(at=START + timedelta(hours=number)), verified=tuple(results))


def test_those_never_looked_at_come_first_and_then_the_longest_ago() -> None:
    oldest, newest, never, newer = (
        seen(0, result(days=5)),
        seen(1, result(days=9), result(days=2)),
        seen(2),
        seen(3),
    )
    assert in_turn([newest, oldest, newer, never], "full") == [never, newer, oldest, newest]


def test_a_look_that_was_less_thorough_does_not_count() -> None:
    quick, sampled, whole = seen(0, result("quick")), seen(1, result("sample")), seen(2, result("full"))
    assert in_turn([whole, sampled, quick], "full") == [quick, sampled, whole]
    assert in_turn([whole, sampled, quick], "sample") == [quick, sampled, whole]
    assert in_turn([whole, sampled, quick], "quick") == [quick, sampled, whole]
    later = seen(0, result("quick", days=7))
    assert in_turn([later, whole], "full") == [later, whole]
    assert in_turn([later, whole], "quick") == [whole, later]


@pytest.mark.parametrize("attempt", [result(wrong="damaged", days=3), result(finished=False, days=3)])
def test_what_is_wrong_or_too_long_waits_for_its_turn_like_all_others(attempt: Verified) -> None:
    tried, other = seen(0, attempt), seen(1, result(days=2))
    assert in_turn([tried, other], "full") == [other, tried]


def test_a_clock_lets_things_be_until_its_time_is_up() -> None:
    times = iter([100.0, 100.0, 159.9, 160.0, 160.0])
    clock = Clock(60, lambda: next(times))
    clock.check()
    assert [clock.up, clock.up] == [False, True]
    with pytest.raises(TimeUp):
        clock.check()


def test_without_a_limit_the_time_is_never_up() -> None:
    clock = Clock(None, lambda: 1e300)
    clock.check()
    assert not clock.up
