"""The pages of a site: an index, one for each VM, one for each run; the same for the same holdings."""

from collections.abc import Iterable, Mapping

from vmbackup.pages.days import calendar
from vmbackup.pages.environment import environment
from vmbackup.pages.figures import figures, of_one_vm
from vmbackup.pages.report import RUNS_SHOWN, drawn, facts_of
from vmbackup.results import Report
from vmbackup.website.holdings import Holdings, Machine, run_page

INDEX, STYLE = "index.html", "style.css"
RUNS_LISTED = 30


def pages(holdings: Holdings) -> Mapping[str, bytes]:
    """Return all files of the site by their names below its folder, the index last."""
    links = {machine.uuid: f"../{machine.page}" for machine in holdings.machines}
    made = {STYLE: environment().get_template(STYLE).render()}
    for report in holdings.runs:
        made[run_page(report)] = _filled("site_run.html", up="../", links=links, **facts_of(report))
    for machine in holdings.machines:
        made[machine.page] = _machine(machine, holdings)
    made[INDEX] = _filled(
        "site_index.html",
        up="",
        holdings=holdings,
        links={machine.uuid: machine for machine in holdings.machines},
        listed=holdings.runs[:RUNS_LISTED],
        run_page=run_page,
        calendar=calendar(holdings.runs, holdings.made.date()),
        **_charts(holdings.runs[:RUNS_SHOWN]),
    )
    return {name: page.encode() for name, page in made.items()}


def _machine(machine: Machine, holdings: Holdings) -> str:
    taken = of_one_vm((report for report, _ in machine.results), machine.uuid)
    pages_of_runs = {report.run.id: f"../{run_page(report)}" for report in holdings.runs}
    newest = holdings.runs[0].run.started if holdings.runs else holdings.made
    return _filled(
        "site_vm.html",
        up="../",
        machine=machine,
        standing=next((one for one in holdings.status.standings if one.uuid == machine.uuid), None),
        runs=pages_of_runs,
        troubles=[(report, result) for report, result in machine.results if not result.good][:RUNS_LISTED],
        calendar=calendar(taken, newest.date()),
        **_charts(taken[:RUNS_SHOWN]),
    )


def _charts(runs: Iterable[Report]) -> dict[str, object]:
    shown = figures(runs)
    return {
        "charts": drawn(shown),
        "legend": [one.name for one in shown.stored],
        "number": len(shown.moments),
    }


def _filled(template: str, **facts: object) -> str:
    return environment().get_template(template).render(facts)
