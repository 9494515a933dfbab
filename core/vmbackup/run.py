"""One run of a job: reconcile, plan, one VM after the other, retention, and the report that everyone is told."""

import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from itertools import islice

from vmbackup.bench import Bench
from vmbackup.cleanup import clean_up, deaths, reconcile, tidy
from vmbackup.earlier import earlier
from vmbackup.engine import VMBackup
from vmbackup.errors import Interrupted, TargetStalled, VmbackupError
from vmbackup.hooks import Hooks
from vmbackup.journal import Journal
from vmbackup.lane import Lane
from vmbackup.listeners import Listeners
from vmbackup.manifest import Rehearsed
from vmbackup.mirroring import Courier, Lying, mirror_lock
from vmbackup.models import Pool
from vmbackup.plan import Plan, Task, make_plan
from vmbackup.pool_database import dump_pool_database
from vmbackup.post import Post
from vmbackup.prune import prune
from vmbackup.records import store_record
from vmbackup.repository import Repository
from vmbackup.results import PREPARE, Backup, Failure, Kept, Mirrored, Outcome, Removal, Report, Run, Space, VMResult
from vmbackup.retry import may_pass
from vmbackup.site import JobParts, Site
from vmbackup.state import State
from vmbackup.stock import free, kept
from vmbackup.targets import entered
from vmbackup.version import __version__
from vmbackup.watch import Watcher
from vmbackup.xapi.hosts import members
from vmbackup.xapi.inventory import read_inventory, read_pool
from vmbackup.xapi.trust import Address
from vmbackup.xapi.watchdog import Limits


class Progress:
    """What has come of a run so far; a report can be made of it at any moment."""

    def __init__(self, parts: JobParts, run: Run, lasting: ExitStack) -> None:
        """Begin with nothing but the threads of the job's targets; `lasting` ends when everyone has been told."""
        self.run = run
        self.lasting = lasting
        self.parts = parts
        self.lanes = tuple(Lane(repository, parts.job.stall) for repository in parts.repositories)
        self.plan: Plan | None = None
        self.results: list[VMResult] = []
        self.failures: list[Failure] = []
        self.warnings: list[Failure] = []
        self.removals: list[Removal] = []
        self.dumps: list[Backup] = []
        self.rehearsals: list[Rehearsed] = []
        self.mirrored: list[Mirrored] = []
        self.kept: list[Kept] = []
        self.spaces: list[Space] = []
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
            rehearsals=tuple(self.rehearsals),
            mirrored=tuple(self.mirrored),
            kept=tuple(self.kept),
            spaces=tuple(self.spaces),
            interrupted=self.interrupted,
            versions={"vmbackup": __version__, "xapi": self.run.pool.version},
        )


def run_job(site: Site, name: str, watcher: Watcher) -> Report:
    """Run a job and return its report, after everyone has been told and its record is stored.

    Raises ConfigError and LockHeld before anything is done; everything later is in the report.
    """
    parts = site.job(name)
    state = site.state()
    with state.lock(name), ExitStack() as lasting, closing(Hooks(site.config.hooks, name)) as hooks:
        post = Post(state, parts.notifiers, site.notifier)
        listeners = Listeners(site.registry, parts.reporters, post, hooks, site.config.plugins.timeout)
        unknown = Pool(
            ref="", uuid="", name=site.config.pool.url, coordinator="", product="", version="", default_sr=""
        )
        run = Run(id=secrets.token_hex(8), job=name, pool=unknown, started=datetime.now(UTC))
        progress = Progress(parts, run, lasting)
        watcher.began(run)
        try:
            _run(site, state, listeners, watcher, progress)
        except Interrupted as stop:
            progress.interrupted = stop.signal_number
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a run that fails is reported like any other
            progress.failures.append(Failure.of(PREPARE, error))
        report = progress.report()
        watcher.doing("reports")
        try:
            report = listeners.run_finished(report, earlier(name, progress.lanes, site.config.plugins.timeout / 2))
        except Interrupted as stop:
            report = replace(report, interrupted=stop.signal_number)
        records = [failure for lane in progress.lanes for failure in store_record(lane, state, report)]
        report = replace(report, warnings=(*report.warnings, *records))
        for lane in progress.lanes:
            lane.close()
        watcher.finished(report)
        return report


def _run(site: Site, state: State, listeners: Listeners, watcher: Watcher, progress: Progress) -> None:
    parts = progress.parts
    deadline = time.monotonic() + parts.job.max_duration if parts.job.max_duration else None
    installation = state.installation()
    with (
        site.session(f"vmbackup-{progress.run.id}") as session,
        entered(progress.lanes, progress.warnings.append) as targets,
    ):
        pool = read_pool(session)
        progress.run = run = replace(progress.run, pool=pool)
        state.remember_members(Address.parse(site.config.pool.url).host, members(session))
        there = targets.proven()
        progress.failures += targets.lost.values()
        # Its end is the run's: of one that dies while it tells what came of it, the next one tells.
        journal = Journal.begin(state.journals, run.id, pool.uuid, f"the run of {run.job}")
        progress.lasting.enter_context(journal)
        bench = Bench(
            run=run,
            session=session,
            journal=journal,
            lanes=there,
            lost=tuple(Outcome(label, failure=failure) for label, failure in targets.lost.items()),
            installation=installation,
            packing=parts.packing,
            listeners=listeners,
            watcher=watcher,
            limits=Limits(stall=parts.job.stall, deadline=deadline),
            margin=site.config.pool.snapshots.margin,
        )
        for warning in _reconcile(bench, state):
            progress.warnings.append(warning)
            watcher.warned(warning)
        plan = make_plan(parts.name, parts.job, read_inventory(session, pool), parts.methods, bench.margin)
        progress.plan = plan
        progress.failures += plan.problems
        progress.warnings += [Failure("plan", "Note", note) for note in plan.notes]
        watcher.planned(plan)
        listeners.run_started(run)
        progress.spaces = [Space(lane.label, free(lane)) for lane in there]
        couriers = [
            Courier(mirror, rules, partial(mirror_lock, state, mirror.label), parts.job.stall)
            for mirror, rules in parts.mirrors
        ]
        try:
            for task in plan.tasks:
                _back_up(bench, task, progress)
                _hand_over(bench, couriers, progress.results[-1])
            _dump(bench, progress)
            journal.enter("retention")
            watcher.doing("retention")
            _prune(bench, plan, progress)
            journal.enter("mirror")
            _catch_up(bench, couriers, progress, site.stored_to)
            if parts.job.rehearse:
                _recall(bench, plan, progress)
            before = {space.target: space.before for space in progress.spaces}
            progress.spaces = [Space(lane.label, before[lane.label], free(lane)) for lane in there]
        finally:
            for courier in couriers:
                courier.dismiss()
            _clean_up_again(bench, progress)
        journal.enter("report")


def _reconcile(bench: Bench, state: State) -> Iterator[Failure]:
    """Clean up after dead runs, in the pool and on every target; yield who died, and what could not be."""
    yield from deaths(bench.run.pool.uuid, state)
    yield from reconcile(bench.session, bench.run.pool.uuid, bench.lanes, state)
    for lane in bench.lanes:
        try:
            yield from lane.do(lambda repository: list(tidy(repository, bench.installation, state)))
        except TargetStalled as error:
            yield Failure.of("cleanup", error)


def _back_up(bench: Bench, task: Task, progress: Progress) -> None:
    """Back up one VM, again where what failed may pass by itself, and tell of the last attempt."""
    job = progress.parts.job
    bench.listeners.vm_started(bench.run, task.vm)
    for attempt in range(1, job.retries + 2):
        backup = VMBackup(bench, task, progress.parts.methods[task.method])
        result = backup.run()
        passing = [outcome.failure for outcome in result.outcomes if outcome.failure and may_pass(outcome.failure)]
        stored = any(outcome.backup for outcome in result.outcomes)
        late = bench.limits.deadline is not None and time.monotonic() > bench.limits.deadline
        if backup.interrupted or late or attempt > job.retries or stored or not passing:
            break
        warning = replace(passing[0], step="retry", message=f"{task.vm.name}: {passing[0].message}")
        progress.warnings.append(warning)
        bench.watcher.warned(warning)
        time.sleep(job.retry_wait * 2 ** (attempt - 1))
    progress.results.append(result)
    bench.watcher.vm_done(result)
    bench.listeners.vm_finished(bench.run, result)
    if backup.interrupted:
        raise backup.interrupted


def _hand_over(bench: Bench, couriers: Sequence[Courier], result: VMResult) -> None:
    """Let the mirrors have what is proven; what the snapshot held up is gone."""
    repositories = {lane.label: lane.repository for lane in bench.lanes}
    made = [outcome.backup for outcome in result.outcomes if outcome.backup]
    for courier in couriers:
        courier.bring((backup, repositories[backup.target]) for backup in made)


def _catch_up(bench: Bench, couriers: Sequence[Courier], progress: Progress, stored_to: frozenset[str]) -> None:
    """Let the mirrors have what they still lack of this job, and follow the targets; then wait for them."""
    if not couriers:
        return
    bench.watcher.doing("mirrors")
    lying: list[Lying] = []
    there: set[str] | None = set()
    for lane in bench.lanes:
        try:
            found = lane.do(lambda repository: repository.backups())
        except VmbackupError as error:
            progress.warnings.append(Failure.of("mirror", error))
            there = None
            continue
        lying += [(backup, lane.repository) for backup in found if backup.manifest.job == progress.run.job]
        there = there | {backup.folder for backup in found} if there is not None else None
    if {lane.label for lane in bench.lanes} < stored_to:
        # Nobody knows what has vanished from a target that is away, or that is another job's.
        there = None
    for courier in couriers:
        courier.bring(lying)
        courier.clear(there)
    for courier in couriers:
        progress.mirrored += courier.finish()


def _dump(bench: Bench, progress: Progress) -> None:
    if progress.parts.job.pool_database is None:
        return
    bench.journal.enter("pool-database")
    bench.watcher.doing("pool-database")
    try:
        outcomes = dump_pool_database(bench)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the VMs' backups are none the worse for it
        progress.failures.append(Failure.of("pool-database", error))
    else:
        progress.dumps += [outcome.backup for outcome in outcomes if outcome.backup]
        progress.failures += [replace(outcome.failure, step="pool-database") for outcome in outcomes if outcome.failure]


def _clean_up_again(bench: Bench, progress: Progress) -> None:
    """Unmake what could not be unmade before, and say only what was not said already."""
    said = {warning.message for result in progress.results for warning in result.warnings}
    again = clean_up(bench.session, bench.journal, bench.lanes, bench.journal.open)
    progress.warnings += [failure for failure in again if failure.message not in said]


def _prune(bench: Bench, plan: Plan, progress: Progress) -> None:
    """Apply retention on each target, to those VMs alone whose backup this run has proven there; then take stock."""
    job = progress.parts.job
    keeps = {task.vm.uuid: task.keep for task in plan.tasks}
    keeps[""] = (job.pool_database and job.pool_database.keep) or job.keep
    made = [outcome.backup for result in progress.results for outcome in result.outcomes if outcome.backup]
    for lane in bench.lanes:
        fresh = [backup for backup in (*made, *progress.dumps) if backup.target == lane.label]
        try:
            existing = lane.do(lambda repository: repository.backups())
        except VmbackupError as error:
            progress.warnings.append(Failure.of("retention", error))
            continue
        removals = list(prune(lane, existing, fresh, keeps))
        progress.removals += removals
        gone = {removal.folder for removal in removals if removal.failure is None}
        left = [backup for backup in existing if backup.folder not in gone]
        progress.kept += kept(lane.label, progress.run.job, left, [task.vm for task in plan.tasks], keeps)


def _recall(bench: Bench, plan: Plan, progress: Progress) -> None:
    """Look up what came of each VM's newest rehearsal on each target; one that failed is a warning until the next."""

    def last(repository: Repository) -> list[Rehearsed]:
        return [one for task in plan.tasks for one in islice(repository.rehearsals(task.vm.uuid), 1)]

    for lane in bench.lanes:
        try:
            found = lane.do(last)
        except VmbackupError as error:
            progress.warnings.append(Failure.of("rehearsal", error))
            continue
        progress.rehearsals += found
        progress.warnings += [
            Failure(
                "rehearsal", one.code, f"{one.name}, {one.moment:%Y-%m-%d} on {lane.label}: {one.step}: {one.message}"
            )
            for one in found
            if not one.good
        ]
