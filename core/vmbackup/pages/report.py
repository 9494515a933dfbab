"""What the templates of a report are filled with."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from markupsafe import Markup

from vmbackup.pages.axis import BYTES, RATES, SECONDS, Units
from vmbackup.pages.charts import Plot, Shape, chart
from vmbackup.pages.days import calendar
from vmbackup.pages.environment import environment, name, rate, size
from vmbackup.pages.figures import Figures, Series, figures
from vmbackup.results import Failure, Kept, Report, exit_code
from vmbackup.wording import human_seconds

RUNS_SHOWN = 30
# One bar is no chart.
FEWEST = 2


@dataclass(frozen=True, slots=True)
class Drawn:
    """A chart in a page: its title, the unit of its vertical axis, and the SVG."""

    title: str
    unit: str
    svg: Markup


def with_past(report: Report, past: Iterable[Report]) -> Sequence[Report]:
    """Return the newest runs of a job, of which a report is the last: so many as charts have room for."""
    earlier = sorted((one for one in past if one.run.id != report.run.id), key=lambda one: one.run.started)
    return [*earlier[-(RUNS_SHOWN - 1) :], report]


def drawn(shown: Figures) -> list[Drawn]:
    """Draw what some runs have stored, how fast, and how long that took, if two of them at least have stored any."""
    values = [one.values for one in shown.stored]
    if sum(any(value is not None for value in column) for column in zip(*values, strict=True)) < FEWEST:
        return []

    def one(title: str, series: Sequence[Series], units: Units, shape: Shape, words: Callable[[float], str]) -> Drawn:
        what = f"{title} by VM, of {len(shown.moments)} runs"
        svg, unit = chart(Plot(what, shown.moments, series, units, shape, words))
        return Drawn(title, unit, svg)

    return [
        one("Stored", shown.stored, BYTES, "bars", size),
        one("Duration", shown.seconds, SECONDS, "bars", human_seconds),
        one("Rate", shown.rates, RATES, "lines", rate),
    ]


def filled(template: str, report: Report, runs: Sequence[Report] = (), away: str = "") -> str:
    """Return a template of ours, filled with a report; `runs` are those of the charts and the calendar."""
    shown = figures(runs)
    facts = {
        **facts_of(report),
        "charts": drawn(shown),
        "legend": [one.name for one in shown.stored],
        "number": len(runs),
        "calendar": calendar(runs, report.finished.date()),
        "away": away,
    }
    return environment().get_template(template).render(facts)


def facts_of(report: Report) -> dict[str, object]:
    """Return what the templates tell of one run: what failed stands first."""
    return {
        "report": report,
        "results": sorted(report.results, key=lambda result: result.good),
        "exit_code": exit_code(report),
        "stored": sum(outcome.backup.size for one in report.results for outcome in one.outcomes if outcome.backup),
        "read": sum(result.read for result in report.results),
        "busy": sum(result.seconds for result in report.results),
        "took": (report.finished - report.run.started).total_seconds(),
        "failed": _failed(report),
        "warned": [("", warning) for warning in report.all_warnings],
        "removed": [removal for removal in report.removals if removal.failure is None],
        "left": [covered for covered in report.inventory if not covered.taken and not covered.excluded],
        "copies": _copies(report),
        "kept": _kept(report),
        "spaces": [space for space in report.spaces if space.after is not None],
    }


def _failed(report: Report) -> list[tuple[str, Failure]]:
    """Return all that failed, with whose it is: "" for the run's own."""
    of_vms = [
        (f"{name(result.vm)} on {name(outcome.target)}", outcome.failure)
        for result in report.results
        for outcome in result.outcomes
        if outcome.failure
    ]
    return [("", failure) for failure in report.failures] + of_vms


@dataclass(frozen=True, slots=True)
class Standing:
    """What is kept of a VM: how many good copies on each target, and when one of them was last read whole.

    `leaving` is when the first was taken that the next backup takes the place of.
    """

    copies: tuple[int, ...]
    verified: datetime | None
    leaving: datetime | None


def _kept(report: Report) -> dict[str, Standing]:
    """Return what is kept of each VM, by its UUID."""
    by_vm: dict[str, list[Kept]] = {}
    for kept in report.kept:
        by_vm.setdefault(kept.uuid, []).append(kept)
    return {
        uuid: Standing(
            tuple(one.copies for one in ones),
            max((one.verified for one in ones if one.verified), default=None),
            min((one.leaving for one in ones if one.leaving), default=None),
        )
        for uuid, ones in by_vm.items()
    }


def _copies(report: Report) -> list[tuple[str, int, int, float]]:
    """Return what each mirror was given: how many backups, bytes, and seconds of copying."""
    copied = [one for one in report.mirrored if one.did == "copied" and one.failure is None]
    by_mirror = {
        mirror: [one for one in copied if one.mirror == mirror] for mirror in sorted({one.mirror for one in copied})
    }
    return [
        (mirror, len(ones), sum(one.size for one in ones), sum(one.seconds for one in ones))
        for mirror, ones in by_mirror.items()
    ]
