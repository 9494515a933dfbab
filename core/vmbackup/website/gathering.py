"""Reading the targets of a configuration for a site; one that is away costs the site what lies there, no more."""

from collections.abc import Callable
from datetime import datetime

from vmbackup.errors import TargetError, TargetNotProven
from vmbackup.history import past_runs
from vmbackup.repository import Broken
from vmbackup.results import Backup, Failure, Report
from vmbackup.site import Site
from vmbackup.website.holdings import Holdings, Place, each_once

# A page each: a year of nights.
RUNS = 365


def gather(site: Site, made: datetime, tell: Callable[[Failure], object]) -> Holdings:
    """Read all targets; `tell` is told of records that nobody can read."""
    places: list[Place] = []
    backups: list[Backup] = []
    runs: list[Report] = []
    for label in sorted(site.config.targets):
        try:
            place, found, records = _look(site, label, tell)
        except (TargetError, TargetNotProven) as error:
            places.append(Place(label, away=error.message))
            continue
        places.append(place)
        backups += found
        runs += records
    return Holdings(made, tuple(places), tuple(backups), each_once(runs)[:RUNS])


def _look(site: Site, label: str, tell: Callable[[Failure], object]) -> tuple[Place, list[Backup], list[Report]]:
    repository = site.repository(label)
    with repository.target:
        repository.prove()
        found = list(repository.scan())
        place = Place(label, repository.target.free(), tuple(one for one in found if isinstance(one, Broken)))
        records = list(past_runs(repository, limit=RUNS, tell=tell))
    return place, [one for one in found if isinstance(one, Backup)], records
