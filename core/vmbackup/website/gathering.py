"""Reading the targets of a configuration for a site; one that is away costs the site what lies there, no more."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

from vmbackup.errors import VmbackupError
from vmbackup.history import past_runs
from vmbackup.lane import Lane
from vmbackup.repository import Repository
from vmbackup.results import Failure, Report
from vmbackup.site import Site
from vmbackup.survey import STALL, survey
from vmbackup.website.holdings import Holdings, Place, each_once

# A page each: a year of nights.
RUNS = 365


def gather(site: Site, max_age: timedelta, made: datetime, tell: Callable[[Failure], object]) -> Holdings:
    """Read all targets at the moment `made`, in UTC; `tell` is told of records that nobody can read."""
    seen = survey(site, sorted(site.config.targets), made)
    places: list[Place] = []
    runs: list[Report] = []
    for label in seen.targets:
        lane = Lane(site.repository(label), STALL)
        try:
            place, records = lane.do(partial(_look, tell=tell))
        except VmbackupError as error:
            # It was there a moment ago.
            tell(Failure.of("site", error))
            continue
        finally:
            lane.close()
        places.append(place)
        runs += records
    return Holdings(made, max_age, seen, tuple(places), each_once(runs)[:RUNS])


def _look(repository: Repository, tell: Callable[[Failure], object]) -> tuple[Place, list[Report]]:
    with repository.target:
        repository.prove()
        records = list(past_runs(repository, limit=RUNS, tell=tell))
        return Place(repository.target.label, repository.target.free()), records
