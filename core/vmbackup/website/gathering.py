"""Reading the targets of a configuration for a site; one that is away costs the site what lies there, no more."""

from collections.abc import Callable
from datetime import datetime
from functools import partial

from vmbackup.errors import VmbackupError
from vmbackup.history import past_runs
from vmbackup.lane import Lane
from vmbackup.repository import Broken, Repository
from vmbackup.results import Backup, Failure, Report
from vmbackup.site import Site
from vmbackup.website.holdings import Holdings, Place, each_once

# A page each: a year of nights.
RUNS = 365
# A target on which nothing moves for so many seconds is away.
STALL = 60.0


def gather(site: Site, made: datetime, tell: Callable[[Failure], object]) -> Holdings:
    """Read all targets; one that cannot be read is away, and `tell` is told of records that nobody can read."""
    places: list[Place] = []
    backups: list[Backup] = []
    runs: list[Report] = []
    for label in sorted(site.config.targets):
        lane = Lane(site.repository(label), STALL)
        try:
            place, found, records = lane.do(partial(_look, tell=tell))
        except VmbackupError as error:
            places.append(Place(label, away=error.message))
            continue
        finally:
            lane.close()
        places.append(place)
        backups += found
        runs += records
    return Holdings(made, tuple(places), tuple(backups), each_once(runs)[:RUNS])


def _look(repository: Repository, tell: Callable[[Failure], object]) -> tuple[Place, list[Backup], list[Report]]:
    with repository.target:
        repository.prove()
        found = list(repository.scan())
        broken = tuple(one for one in found if isinstance(one, Broken))
        records = list(past_runs(repository, limit=RUNS, tell=tell))
        place = Place(repository.target.label, repository.target.free(), broken)
    return place, [one for one in found if isinstance(one, Backup)], records
