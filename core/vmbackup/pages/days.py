"""A calendar of good and bad days: weeks of seven days, each with the worst that came of its runs."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from vmbackup.pages.verdict import KINDS, Kind, of_run, worst
from vmbackup.results import Report

FEWEST_WEEKS, MOST_WEEKS = 5, 26
_WEEK = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Day:
    """A day in UTC. `kind` is None where no run began, or the day is yet to come."""

    date: date
    kind: Kind | None
    words: str


@dataclass(frozen=True, slots=True)
class Calendar:
    """Weeks from the oldest to the newest, each from Monday; `months` are their names, each with so many."""

    weeks: tuple[tuple[Day, ...], ...]
    months: tuple[tuple[str, int], ...]

    @property
    def weekdays(self) -> tuple[tuple[Day, ...], ...]:
        """The same by weekdays: what a table has in its rows."""
        return tuple(zip(*self.weeks, strict=True))

    @property
    def counts(self) -> tuple[tuple[Kind, int], ...]:
        """How many days of each kind there are, from the best to the worst."""
        kinds = [day.kind for week in self.weeks for day in week]
        return tuple((kind, kinds.count(kind)) for kind in KINDS)


def calendar(reports: Iterable[Report], until: date) -> Calendar:
    """Return the weeks up to that of `until` in which these runs began, the newest 26 of them at most."""
    by_day: dict[date, list[Report]] = {}
    for report in reports:
        by_day.setdefault(report.run.started.date(), []).append(report)
    first, last = _monday(min(by_day, default=until)), _monday(until)
    number = min(max((last - first) // _WEEK + 1, FEWEST_WEEKS), MOST_WEEKS)
    mondays = [last - _WEEK * back for back in reversed(range(number))]
    weeks = tuple(tuple(_day(monday + timedelta(days=day), by_day) for day in range(7)) for monday in mondays)
    return Calendar(weeks, tuple(_months(mondays)))


def _day(date_: date, by_day: dict[date, list[Report]]) -> Day:
    runs = by_day.get(date_, [])
    if not runs:
        return Day(date_, None, f"{date_}: no run")
    verdicts = [of_run(report) for report in sorted(runs, key=lambda report: report.run.started)]
    told = "; ".join(verdict.words for verdict in verdicts)
    return Day(date_, worst(verdict.kind for verdict in verdicts), f"{date_}: {told}")


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def _months(mondays: Sequence[date]) -> Iterable[tuple[str, int]]:
    """Name the month in which each week begins, once for all weeks of it."""
    names = [f"{monday:%b}" for monday in mondays]
    start = 0
    for place in range(1, len(names) + 1):
        if place == len(names) or names[place] != names[start]:
            # A single narrow column has no room for a name.
            yield (names[start] if place - start > 1 else "", place - start)
            start = place
