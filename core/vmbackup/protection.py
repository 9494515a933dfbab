"""Which VMs are protected, and what else is worth an alarm: judged from what lies on the targets alone. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Literal

from vmbackup.manifest import Rehearsed
from vmbackup.results import Backup, Covered, Failure, Report, exit_code
from vmbackup.wording import human_age

Verdict = Literal["protected", "too old", "damaged", "unprotected", "excluded"]
ALARMS: tuple[Verdict, ...] = ("damaged", "unprotected", "too old")
# The clocks of the machines that take part may differ by so much. A backup dated further ahead would never grow old.
TOLERANCE = timedelta(minutes=5)
TELLERS = ("notifier ", "reporter ")


class Level(IntEnum):
    """How bad it is, by the exit codes of a Nagios plugin."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


@dataclass(frozen=True, slots=True)
class Seen:
    """What was found on the targets that could be read: `targets`, by their labels.

    `reports` are, of each job, those of its last run and of its last that knew the inventory; `jobs` are those that the
    configuration has, or none. `rehearsals` are the newest of each VM on each target. `away` are the targets that could
    not be read, with the reasons; `unread` is what was found and cannot be believed.
    """

    targets: tuple[str, ...] = ()
    backups: tuple[Backup, ...] = ()
    reports: tuple[Report, ...] = ()
    jobs: frozenset[str] = frozenset()
    rehearsals: tuple[Rehearsed, ...] = ()
    away: tuple[tuple[str, str], ...] = ()
    unread: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Standing:
    """How one VM of the pool stands: `newest` is its newest good backup, `targets` those that hold one new enough.

    `job` takes it, or made the newest; "" where none does. `why` says in words what the verdict rests on, `notes` what
    is wrong all the same. `verified` is when a backup of it was last read whole and found good.
    """

    vm: str
    uuid: str
    verdict: Verdict
    why: str
    job: str = ""
    newest: Backup | None = None
    targets: tuple[str, ...] = ()
    verified: datetime | None = None
    rehearsed: Rehearsed | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LastRun:
    """The last run of a job. `untold` says which of its notifiers and reporters failed."""

    job: str
    started: datetime
    code: int
    failed: int
    warnings: int
    untold: tuple[Failure, ...] = ()


def words_of(untold: Failure) -> str:
    """Say who could not tell, and why; most messages begin with who it is."""
    return untold.message if untold.message.startswith(untold.step) else f"{untold.step}: {untold.message}"


@dataclass(frozen=True, slots=True)
class Status:
    """How all VMs stand, and how well that is known. `inventory` is when the pool was last looked at, in UTC."""

    standings: tuple[Standing, ...]
    runs: tuple[LastRun, ...]
    inventory: datetime | None
    away: tuple[tuple[str, str], ...]
    remarks: tuple[str, ...]

    @property
    def alarms(self) -> tuple[Standing, ...]:
        """The VMs that are not protected and are meant to be."""
        return tuple(standing for standing in self.standings if standing.verdict in ALARMS)

    @property
    def level(self) -> Level:
        """How bad it is: while a target cannot be read, nobody knows."""
        if self.away or self.inventory is None:
            return Level.UNKNOWN
        if self.alarms:
            return Level.CRITICAL
        noted = any(standing.notes for standing in self.standings)
        ill = any(run.code or run.untold for run in self.runs)
        return Level.WARNING if noted or ill or self.remarks else Level.OK


def judge(seen: Seen, max_age: timedelta, now: datetime) -> Status:
    """Judge each VM of the newest inventory: its newest good backup may be `max_age` old. `now` is UTC.

    A job that the configuration does not have counts for as long as its last run is not older than that: it may be
    another installation's, or one that is no more.
    """
    living = [one for one in seen.reports if one.run.job in seen.jobs or now - one.run.started <= max_age]
    seen = replace(seen, reports=tuple(living if seen.jobs else seen.reports))
    pools: dict[str, Report] = {}
    for report in sorted((one for one in seen.reports if one.inventory), key=_began):
        pools[report.run.pool.uuid] = report
    standings = [_standing(one, pool, seen, max_age, now) for pool in pools.values() for one in pool.inventory]
    inventory = min((report.run.started for report in pools.values()), default=None)
    remarks = list(seen.unread)
    if inventory and now - inventory > max_age:
        remarks.append(f"the pool was last looked at {human_age(inventory, now)} ago: newer VMs are not known")
    ranks = (*ALARMS, "protected", "excluded")
    return Status(
        standings=tuple(sorted(standings, key=lambda one: (ranks.index(one.verdict), one.vm.casefold(), one.uuid))),
        runs=tuple(_last_runs(seen.reports)),
        inventory=inventory,
        away=seen.away,
        remarks=tuple(remarks),
    )


def _standing(covered: Covered, pool: Report, seen: Seen, max_age: timedelta, now: datetime) -> Standing:
    own = [one for one in seen.backups if _is_of(one, covered, pool)]
    good = [one for one in own if not one.fault and _taken_at(one) <= now + TOLERANCE]
    newest = max(good, key=_taken_at, default=None)
    fresh = {one.target for one in good if now - _taken_at(one) <= max_age}
    takers = [report for report in seen.reports if any(one.taken for one in _covered(covered.uuid, report, pool))]
    excluded = any(one.excluded for report in seen.reports for one in _covered(covered.uuid, report, pool))
    wrong = max((one for one in own if one.fault), key=_taken_at, default=None)
    verdict, why = _verdict(newest, wrong, now, fresh=bool(fresh), taken=bool(takers), excluded=excluded)
    whole = [result.moment for one in good if (result := one.proven("full"))]
    rehearsed = [one for one in seen.rehearsals if one.vm == covered.uuid]
    last = max(rehearsed, key=lambda one: one.moment, default=None)
    due = {target for report in takers for target in report.targets} & set(seen.targets)
    notes = [f"on {target} there is no backup of it that is new enough" for target in sorted(due - fresh) if fresh]
    notes += [f"{one.address} was found wrong {human_age(one.fault.moment, now)} ago" for one in own if one.fault]
    notes += [f"{one.address} is dated in the future" for one in own if _taken_at(one) > now + TOLERANCE]
    if last and not last.good:
        notes.append(f"its rehearsal failed {human_age(last.moment, now)} ago: {last.step}: {last.message}")
    if fresh and not takers:
        notes.append("no job takes it any more")
    return Standing(
        vm=covered.vm,
        uuid=covered.uuid,
        verdict=verdict,
        why=why,
        job=takers[0].run.job if takers else newest.manifest.job if newest else "",
        newest=newest,
        targets=tuple(sorted(fresh)),
        verified=max(whole, default=None),
        rehearsed=last,
        notes=tuple(notes),
    )


def _verdict(
    newest: Backup | None, wrong: Backup | None, now: datetime, *, fresh: bool, taken: bool, excluded: bool
) -> tuple[Verdict, str]:
    age = f"its newest good backup is {human_age(_taken_at(newest), now)} old" if newest else "it has no good backup"
    if fresh:
        return "protected", age
    if wrong and (newest is None or _taken_at(wrong) > _taken_at(newest)):
        return "damaged", f"its newest backup was found wrong, and {age}"
    if not taken and excluded:
        return "excluded", "it is left out on purpose"
    if not taken:
        return "unprotected", f"no job takes it, and {age}"
    return ("too old" if newest else "unprotected"), age


def _last_runs(reports: Iterable[Report]) -> Iterator[LastRun]:
    """Yield the last run of each job, the newest first."""
    told: set[str] = set()
    for report in sorted(reports, key=_began, reverse=True):
        if report.run.job not in told:
            told.add(report.run.job)
            untold = tuple(one for one in report.warnings if one.step.startswith(TELLERS))
            counts = (report.failed, len(report.all_warnings))
            yield LastRun(report.run.job, report.run.started, exit_code(report), *counts, untold)


def _is_of(backup: Backup, covered: Covered, pool: Report) -> bool:
    manifest = backup.manifest
    return bool(manifest.vm and manifest.vm.uuid == covered.uuid) and manifest.pool.uuid == pool.run.pool.uuid


def _covered(uuid: str, report: Report, pool: Report) -> list[Covered]:
    """Return what a report's inventory says of a VM of that pool."""
    same = report.run.pool.uuid == pool.run.pool.uuid
    return [one for one in report.inventory if one.uuid == uuid and same]


def _taken_at(backup: Backup) -> datetime:
    return backup.manifest.snapshot_time


def _began(report: Report) -> datetime:
    return report.run.started
