from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.builders import START

from vmbackup.wording import human_age, human_seconds, human_size, plain


@given(name=st.text(max_size=300))
def test_no_name_makes_a_line_of_its_own(name: str) -> None:
    shown = plain(name)
    assert len(shown.splitlines()) <= 1
    assert shown.isprintable()
    assert len(plain(name, 40)) <= 40


@pytest.mark.parametrize(
    ("size", "shown"),
    [(0, "0 bytes"), (1023, "1023 bytes"), (1024, "1.0 KiB"), (1 << 40, "1.0 TiB"), (5 << 60, "5120.0 PiB")],
)
def test_sizes_for_people(size: int, shown: str) -> None:
    assert human_size(size) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0.4, "0 s"), (59.6, "1 min 00 s"), (3599, "59 min 59 s"), (7500, "2 h 05 min")]
)
def test_durations_for_people(seconds: float, shown: str) -> None:
    assert human_seconds(seconds) == shown


@pytest.mark.parametrize(
    ("hours", "shown"),
    [(-3, "0 min"), (0.5, "30 min"), (1, "1 h"), (47.9, "47 h"), (48, "2 days"), (24 * 400, "400 days")],
)
def test_ages_for_people(hours: float, shown: str) -> None:
    assert human_age(START - timedelta(hours=hours), START) == shown
