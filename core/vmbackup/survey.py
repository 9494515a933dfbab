"""Looking over the targets of a configuration for what there is to say of protection; the pool is not asked."""

from collections.abc import Iterable
from datetime import datetime
from functools import partial
from itertools import islice

from vmbackup.errors import VmbackupError
from vmbackup.history import last_runs
from vmbackup.lane import Lane
from vmbackup.manifest import Rehearsed
from vmbackup.protection import TOLERANCE, Seen
from vmbackup.repository import Broken, Repository
from vmbackup.results import Backup, Failure, Report
from vmbackup.site import Site
from vmbackup.targets import entered

# Whoever watches waits for no target that hangs.
STALL = 60.0


def survey(site: Site, labels: Iterable[str], now: datetime, stall: float = STALL) -> Seen:
    """Read what lies on these targets at `now`, in UTC; one that cannot be read is away.

    So is one on which nothing moves for `stall` seconds. Raises ConfigError for a label that nobody has configured.
    """
    targets: list[str] = []
    away: list[tuple[str, str]] = []
    backups: list[Backup] = []
    reports: dict[str, Report] = {}
    rehearsals: list[Rehearsed] = []
    unread: list[str] = []
    for label in dict.fromkeys(labels):
        lane = Lane(site.repository(label), stall)
        left: list[Failure] = []
        try:
            with entered([lane], left.append) as there:
                there.proven()
                found = lane.do(partial(_look, now=now))
        except VmbackupError as error:
            away.append((label, error.message))
            continue
        finally:
            lane.close()
        targets.append(label)
        backups += found.backups
        reports.update((report.run.id, report) for report in found.reports)
        rehearsals += found.rehearsals
        unread += [*found.unread, *(failure.message for failure in left)]
    return Seen(
        targets=tuple(targets),
        backups=tuple(backups),
        reports=_last(reports.values()),
        jobs=frozenset(site.config.jobs),
        rehearsals=tuple(rehearsals),
        away=tuple(away),
        unread=tuple(unread),
    )


def _look(repository: Repository, now: datetime) -> Seen:
    everything = list(repository.scan())
    failures: list[Failure] = []
    reports = tuple(last_runs(repository, now + TOLERANCE, tell=failures.append))
    vms = {one.uuid for report in reports for one in report.inventory}
    rehearsals = tuple(one for vm in sorted(vms) for one in islice(repository.rehearsals(vm), 1))
    label = repository.target.label
    broken = [
        f"{label}:{one.folder}: {one.reason}" for one in everything if isinstance(one, Broken) and not one.foreign
    ]
    return Seen(
        backups=tuple(one for one in everything if isinstance(one, Backup)),
        reports=reports,
        rehearsals=rehearsals,
        unread=(*broken, *(failure.message for failure in failures)),
    )


def _last(reports: Iterable[Report]) -> tuple[Report, ...]:
    """Return of each job its last report and the last with an inventory: targets that were away have older ones."""
    newest: dict[tuple[str, bool], Report] = {}
    for report in sorted(reports, key=lambda one: one.run.started):
        newest[report.run.job, False] = report
        if report.inventory:
            newest[report.run.job, True] = report
    return tuple({report.run.id: report for report in newest.values()}.values())
