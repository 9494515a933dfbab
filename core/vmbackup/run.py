"""One run of a job: reconcile, plan, one VM after the other, retention, and the report that everyone is told."""

import secrets
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime

from vmbackup.bench import Bench
from vmbackup.cleanup import clean_up, reconcile, tidy
from vmbackup.engine import VMBackup
from vmbackup.errors import Interrupted, VmbackupError
from vmbackup.journal import Journal
from vmbackup.listeners import Listeners
from vmbackup.models import Pool
from vmbackup.plan import Plan, Task, make_plan
from vmbackup.pool_database import dump_pool_database
from vmbackup.records import store_record
from vmbackup.repository import Repository
from vmbackup.results import PREPARE, Backup, Failure, Removal, Report, Run, VMResult
from vmbackup.retention import Decision, decide, group_of
from vmbackup.retry import may_pass
from vmbackup.site import JobParts, Site
from vmbackup.state import State
from vmbackup.version import __version__
from vmbackup.watch import Watcher
from vmbackup.xapi.hosts import members
from vmbackup.xapi.inventory import read_inventory, read_pool
from vmbackup.xapi.trust import Address
from vmbackup.xapi.watchdog import Limits


class Progress:
    """What has come of a run so far; a report can be made of it at any moment."""

    def __init__(self, parts: JobParts, run: Run) -> None:
        """Begin with nothing."""
        self.run = run
        self.parts = parts
        self.plan: Plan | None = None
        self.results: list[VMResult] = []
        self.failures: list[Failure] = []
        self.warnings: list[Failure] = []
        self.removals: list[Removal] = []
        self.interrupted: int | None = None

    def report(self) -> Report:
        """Return the report as things stand."""
        return Report(
            run=self.run,
            finished=datetime.now(UTC),
            targets=self.parts.job.targets,
            results=tuple(self.results),
            failures=tuple(self.failures),
            warnings=tuple(self.warnings),
            removals=tuple(self.removals),
            inventory=self.plan.inventory if self.plan else (),
            interrupted=self.interrupted,
            versions={"vmbackup": __version__, "xapi": self.run.pool.version},
        )


def run_job(site: Site, name: str, watcher: Watcher) -> Report:
    """Run a job and return its report, after everyone has been told and its record is stored.

    Raises ConfigError and LockHeld before anything is done; everything later is in the report.
    """
    parts = site.job(name)
    state = site.state()
    with state.lock(name):
        listeners = Listeners(site.registry, parts.reporters, parts.notifiers)
        unknown = Pool(
            ref="", uuid="", name=site.config.pool.url, coordinator="", product="", version="", default_sr=""
        )
        run = Run(id=secrets.token_hex(8), job=name, pool=unknown, started=datetime.now(UTC))
        progress = Progress(parts, run)
        try:
            _run(site, state, listeners, watcher, progress)
        except Interrupted as stop:
            progress.interrupted = stop.signal_number
        except Exception as error:  # noqa: BLE001 - a run that fails is reported like any other
            progress.failures.append(Failure.of(PREPARE, error))
        report = progress.report()
        try:
            report = listeners.run_finished(report)
        except Interrupted as stop:
            report = replace(report, interrupted=stop.signal_number)
        report = replace(report, warnings=(*report.warnings, *store_record(parts.repository, state, report)))
        watcher.finished(report)
        return report


def _run(site: Site, state: State, listeners: Listeners, watcher: Watcher, progress: Progress) -> None:
    parts = progress.parts
    repository = parts.repository
    deadline = time.monotonic() + parts.job.max_duration if parts.job.max_duration else None
    installation = state.installation()
    with site.session(f"vmbackup-{progress.run.id}") as session, repository.target:
        pool = read_pool(session)
        progress.run = run = replace(progress.run, pool=pool)
        state.remember_members(Address.parse(site.config.pool.url).host, members(session))
        repository.prove()
        with Journal.begin(state.journals, run.id, pool.uuid) as journal:
            limits = Limits(stall=parts.job.stall, deadline=deadline)
            margin = site.config.pool.snapshots.margin
            bench = Bench(
                run, session, journal, repository, installation, parts.packing, listeners, watcher, limits, margin
            )
            for warning in (
                *reconcile(session, pool.uuid, repository, state),
                *tidy(repository, installation, state),
            ):
                progress.warnings.append(warning)
                watcher.warned(warning)
            plan = make_plan(parts.name, parts.job, read_inventory(session, pool), parts.methods, margin)
            progress.plan = plan
            progress.failures += plan.problems
            progress.warnings += [Failure("plan", "Note", note) for note in plan.notes]
            watcher.planned(plan)
            listeners.run_started(run)
            for task in plan.tasks:
                _back_up(bench, task, progress)
            dumped = _dump(bench, parts, progress)
            progress.removals += prune(bench, plan, progress.results, dumped, parts)


def _back_up(bench: Bench, task: Task, progress: Progress) -> None:
    """Back up one VM, again where what failed may pass by itself, and tell of the last attempt."""
    job = progress.parts.job
    bench.listeners.vm_started(bench.run, task.vm)
    for attempt in range(1, job.retries + 2):
        backup = VMBackup(bench, task, progress.parts.methods[task.method])
        result = backup.run()
        failures = [outcome.failure for outcome in result.outcomes if outcome.failure]
        late = bench.limits.deadline is not None and time.monotonic() > bench.limits.deadline
        if backup.interrupted or late or attempt > job.retries or not failures or not all(map(may_pass, failures)):
            break
        warning = replace(failures[0], step="retry", message=f"{task.vm.name}: {failures[0].message}")
        progress.warnings.append(warning)
        bench.watcher.warned(warning)
        time.sleep(job.retry_wait * 2 ** (attempt - 1))
    progress.results.append(result)
    bench.watcher.vm_done(result)
    bench.listeners.vm_finished(bench.run, result)
    if backup.interrupted:
        raise backup.interrupted


def _dump(bench: Bench, parts: JobParts, progress: Progress) -> Backup | None:
    if parts.job.pool_database is None:
        return None
    try:
        return dump_pool_database(bench)
    except Exception as error:  # noqa: BLE001 - the VMs' backups are none the worse for it
        progress.failures.append(Failure.of("pool-database", error))
        return None
    finally:
        progress.warnings += clean_up(bench.session, bench.journal, bench.repository, bench.journal.open)


def prune(
    bench: Bench, plan: Plan, results: Iterable[VMResult], dumped: Backup | None, parts: JobParts
) -> Iterator[Removal]:
    """Remove what the job keeps no longer, of those VMs alone whose backup has succeeded in this run; yield each."""
    keeps = {task.vm.uuid: task.keep for task in plan.tasks}
    keeps[""] = (parts.job.pool_database and parts.job.pool_database.keep) or parts.job.keep
    made = [outcome.backup for result in results if result.good for outcome in result.outcomes if outcome.backup]
    existing = bench.repository.backups()
    for fresh in (*made, *([dumped] if dumped else [])):
        group = [backup for backup in existing if group_of(backup) == group_of(fresh)]
        keep = keeps[fresh.manifest.vm.uuid if fresh.manifest.vm else ""]
        for decision in decide(group, keep, fresh.manifest.snapshot_time):
            if not decision.keep:
                yield _remove(bench.repository, decision)


def _remove(repository: Repository, decision: Decision) -> Removal:
    failure = None
    try:
        repository.remove(decision.backup)
    except VmbackupError as error:
        failure = Failure.of("retention", error)
    return Removal(repository.target.label, decision.backup.folder, decision.reason, failure)
