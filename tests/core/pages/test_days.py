from dataclasses import replace
from datetime import date, timedelta

import pytest
from tests.core.builders import RUN, report, result

from vmbackup.pages.days import MOST_WEEKS, calendar
from vmbackup.pages.verdict import Kind
from vmbackup.results import Report, Run

FRIDAY = date(2026, 3, 13)
GOOD, BAD = report(result()), report(result(good=False))


def on(day: date, of: Report = GOOD, *, hour: int = 2) -> Report:
    started = RUN.started.replace(year=day.year, month=day.month, day=day.day, hour=hour)
    return replace(of, run=Run(f"{day}{hour}", RUN.job, RUN.pool, started))


def kinds(*runs: Report) -> dict[date, Kind]:
    return {day.date: day.kind for week in calendar(runs, FRIDAY).weeks for day in week if day.kind}


def test_each_day_has_the_worst_that_came_of_its_runs() -> None:
    yesterday = FRIDAY - timedelta(days=1)
    assert kinds(on(FRIDAY), on(yesterday, BAD, hour=1), on(yesterday, hour=9)) == {FRIDAY: "good", yesterday: "failed"}


def test_a_day_says_what_came_of_each_of_its_runs() -> None:
    shown = calendar([on(FRIDAY, BAD, hour=9), on(FRIDAY, hour=1)], FRIDAY)
    assert shown.weeks[-1][4].words == "2026-03-13: All good; 1 of 1 VM failed"


def test_weeks_begin_on_monday_and_end_with_that_of_the_last_day() -> None:
    shown = calendar([on(FRIDAY)], FRIDAY)
    assert len(shown.weeks) == 5
    assert shown.weeks[-1][0].date == date(2026, 3, 9)
    assert [row[0].date.weekday() for row in shown.weekdays] == list(range(7))
    assert shown.counts == (("good", 1), ("warned", 0), ("failed", 0))


@pytest.mark.parametrize(("days", "weeks"), [(0, 5), (40, 7), (4000, MOST_WEEKS)])
def test_it_goes_back_to_the_first_run_if_that_is_not_too_long_ago(days: int, weeks: int) -> None:
    shown = calendar([on(FRIDAY), on(FRIDAY - timedelta(days=days))], FRIDAY)
    assert len(shown.weeks) == weeks
    assert sum(number for _, number in shown.months) == weeks


def test_months_are_named_where_there_is_room() -> None:
    assert calendar([], FRIDAY).months == (("Feb", 3), ("Mar", 2))
    assert calendar([], date(2026, 3, 6)).months == (("Feb", 4), ("", 1))
