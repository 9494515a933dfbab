"""What a site is made from: all that was found on the targets at one moment. Pure data, and questions to it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from hashlib import sha256

from vmbackup.keys import slug
from vmbackup.protection import Seen, Status, judge
from vmbackup.results import Backup, Report, VMResult


@dataclass(frozen=True, slots=True)
class Place:
    """A target that could be read, and the bytes that are `free` there, if it tells."""

    label: str
    free: int | None = None


@dataclass(frozen=True, slots=True)
class Machine:
    """A VM by its UUID, called as it was called last: its backups and its results, newest first."""

    uuid: str
    name: str
    backups: tuple[Backup, ...]
    results: tuple[tuple[Report, VMResult], ...]

    @property
    def page(self) -> str:
        """Return what its page is called: a reminder of its name, and a digest that two never share."""
        return f"vms/{slug(self.name)}--{sha256(self.uuid.encode(errors='replace')).hexdigest()[:12]}.html"

    @property
    def good(self) -> tuple[Backup, ...]:
        """Its backups that no verification has found wrong, newest first; adopted ones once one has found them good."""
        return tuple(backup for backup in self.backups if not (backup.fault or backup.unread))

    @property
    def verified(self) -> datetime | None:
        """When one of its good backups was last read whole and found good."""
        moments = [result.moment for backup in self.good if (result := backup.proven("full"))]
        return max(moments, default=None)

    @property
    def rehearsed(self) -> datetime | None:
        """When one of its backups last came up in a rehearsal."""
        moments = [result.moment for backup in self.backups for result in backup.rehearsed if result.good]
        return max(moments, default=None)


@dataclass(frozen=True)
class Holdings:
    """All that was found at the moment `made`: what protection is judged by, and runs, each once, newest first.

    A VM whose newest good backup is older than `max_age` is not protected.
    """

    made: datetime
    max_age: timedelta
    seen: Seen
    places: tuple[Place, ...] = ()
    runs: tuple[Report, ...] = ()

    @property
    def backups(self) -> tuple[Backup, ...]:
        """The backups, in any order."""
        return self.seen.backups

    @cached_property
    def status(self) -> Status:
        """Return how the VMs of the pool stand."""
        return judge(self.seen, self.max_age, self.made)

    @cached_property
    def gone(self) -> tuple["Machine", ...]:
        """The VMs that have backups or results, and are in no inventory any more."""
        there = {standing.uuid for standing in self.status.standings}
        return tuple(machine for machine in self.machines if machine.uuid not in there)

    @cached_property
    def machines(self) -> tuple[Machine, ...]:
        """The VMs that have backups or results, by their names."""
        backups = sorted(self.backups, key=lambda backup: (backup.manifest.snapshot_time, backup.address), reverse=True)
        held: dict[str, list[Backup]] = {}
        results: dict[str, list[tuple[Report, VMResult]]] = {}
        names: dict[str, tuple[datetime, str]] = {}
        for backup in backups:
            if vm := backup.manifest.vm:
                held.setdefault(vm.uuid, []).append(backup)
                _newest(names, vm.uuid, backup.manifest.snapshot_time, vm.name)
        for report in self.runs:
            for result in report.results:
                results.setdefault(result.uuid, []).append((report, result))
                _newest(names, result.uuid, result.started, result.vm)
        made = [
            Machine(uuid, name, tuple(held.get(uuid, ())), tuple(results.get(uuid, ())))
            for uuid, (_, name) in names.items()
        ]
        return tuple(sorted(made, key=lambda machine: (machine.name.casefold(), machine.uuid)))

    @cached_property
    def dumps(self) -> tuple[Backup, ...]:
        """The dumps of the pool database, newest first."""
        found = [backup for backup in self.backups if backup.manifest.vm is None]
        return tuple(sorted(found, key=lambda backup: (backup.manifest.snapshot_time, backup.address), reverse=True))


def _newest(names: dict[str, tuple[datetime, str]], uuid: str, moment: datetime, name: str) -> None:
    if uuid not in names or names[uuid][0] < moment:
        names[uuid] = (moment, name)


def run_page(report: Report) -> str:
    """Return what the page of a run is called."""
    run = report.run
    return f"runs/{slug(run.job)}--{run.started:%Y%m%dT%H%M%SZ}-{slug(run.id)[:8]}.html"


def each_once(reports: Iterable[Report]) -> tuple[Report, ...]:
    """Return runs newest first; one whose record lies on several targets is one."""
    found = {run_page(report): report for report in reports}
    return tuple(sorted(found.values(), key=lambda report: (report.run.started, report.run.id), reverse=True))
