from datetime import timedelta

import pytest
from tests.core.builders import START

from vmbackup.cli.output import age


@pytest.mark.parametrize(
    ("hours", "shown"),
    [(0, "0 h ago"), (0.9, "0 h ago"), (5.5, "5 h ago"), (47.9, "47 h ago"), (48, "2 days ago"), (240, "10 days ago")],
)
def test_how_long_ago_something_was(hours: float, shown: str) -> None:
    assert age(START, START + timedelta(hours=hours)) == shown


def test_a_moment_that_a_wrong_clock_dated_in_the_future_is_just_now() -> None:
    assert age(START + timedelta(days=3), START) == "0 h ago"
