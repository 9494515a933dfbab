"""Tells the notifiers of a job what came of its run, and keeps for another time what could not be told."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import TypeAlias

from vmbackup.config import NotifierRules
from vmbackup.containment import Ended
from vmbackup.contracts import Notifier
from vmbackup.errors import ConfigError, NotifyError
from vmbackup.models import VM
from vmbackup.results import Failure, Report, Run
from vmbackup.selection import Pattern
from vmbackup.settings import Settings
from vmbackup.spool import MOST, OLDEST, Claim, Spool, Untold
from vmbackup.state import State
from vmbackup.telling import Verdict, is_told, verdict_of
from vmbackup.verdicts import keep_verdicts, last_verdicts

# Calls a plugin, by its name and by what the call is; None where an earlier call of it has not ended.
Call: TypeAlias = Callable[[str, str, Callable[[], object]], Ended[object] | None]
Find: TypeAlias = Callable[[str], Notifier[Settings]]


@dataclass(frozen=True, slots=True)
class Retold:
    """A kept report that was told, or was not; `said` is what there is to say about that."""

    kept: Untold
    good: bool
    said: tuple[Failure, ...] = ()


class Post:
    """The notifiers of one run, and what is kept for any notifier."""

    def __init__(self, state: State, notifiers: Iterable[tuple[Notifier[Settings], NotifierRules]], find: Find) -> None:
        """`notifiers` are those that the job names; `find` gives any other by its label, or raises ConfigError."""
        self._state = state
        self._spool = Spool(state.spool)
        self._notifiers = tuple(notifiers)
        self._find = find
        self._vms: dict[str, VM] = {}

    def run_started(self, run: Run, call: Call) -> Iterator[Failure]:
        """Tell that a run begins; yield what went wrong."""
        for notifier, rules in self._notifiers:
            if not rules.jobs or run.job in rules.jobs:
                name = _name(notifier.label)
                ended = call(name, f"start for {name}", partial(notifier.started, run))
                yield from ended.said if ended else ()

    def vm_started(self, vm: VM) -> None:
        """Remember a VM of the run: some notifiers are told of some alone."""
        self._vms[vm.uuid] = vm

    def run_finished(self, report: Report, call: Call) -> Iterator[Failure]:
        """Tell that the run is over, then what was kept of earlier ones; yield what went wrong."""
        chosen: list[Notifier[Settings]] = []
        yield from self._choose(report, chosen)
        failed = set()
        with ExitStack() as stack:
            # All of them first: what is kept outlives an interruption.
            claims: list[tuple[Notifier[Settings], Claim | None]] = []
            for notifier in chosen:
                claim = None
                try:
                    claim = stack.enter_context(closing(self._spool.put(notifier.label, report, datetime.now(UTC))))
                except OSError as error:
                    yield _not_kept(notifier.label, error)
                claims.append((notifier, claim))
            for notifier, kept in claims:
                good, said = _told(notifier.label, partial(notifier.notify, report), kept, call)
                yield from said
                if not good:
                    failed.add(notifier.label)
        for retold in self.flush(call, without=failed):
            yield from retold.said
        yield from self.dropped()

    def flush(self, call: Call, labels: Sequence[str] = (), without: Collection[str] = ()) -> Iterator[Retold]:
        """Tell what is kept, for these notifiers or for all that the configuration has.

        Where one could not be told, the rest of what is kept for it waits, too.
        """
        own = {notifier.label: notifier for notifier, _ in self._notifiers}
        for label in labels or self._spool.labels():
            if label in without:
                continue
            try:
                notifier = own.get(label) or self._find(label)
            except ConfigError:
                # It may come back, until what is kept for it is too old.
                continue
            with self._spool.claims(label) as claims:
                for claim in claims:
                    kept = claim.kept
                    again = partial(notifier.notify, kept.report)
                    if kept.told:
                        again = partial(notifier.notify_rest, kept.report, kept.told)
                    good, said = _told(label, again, claim, call)
                    yield Retold(kept, good, said)
                    if not good:
                        break

    def unknown(self) -> Iterator[str]:
        """Yield the labels for which something is kept, and of which the configuration has no notifier."""
        for label in self._spool.labels():
            try:
                self._find(label)
            except ConfigError:
                yield label

    def dropped(self) -> Iterator[Failure]:
        """Drop what is kept for too long, or is too much, and yield that; and what cannot be read."""
        now = datetime.now(UTC)
        for label in self._spool.labels():
            for kept in self._spool.expired(label, now):
                run = kept.report.run
                yield Failure(
                    _name(label),
                    "Dropped",
                    f"the report of {run.job}, {run.started:%Y-%m-%d %H:%M} UTC, was dropped after {kept.tries} tries:"
                    f" one is kept for {OLDEST.days} days, and {MOST} at most",
                )
            for path in self._spool.unreadable(label, now):
                yield Failure(_name(label), "Unreadable", f"{path}: what is kept there cannot be read")

    def _choose(self, report: Report, chosen: list[Notifier[Settings]]) -> Iterator[Failure]:
        """Add to `chosen` who is to be told of this run; yield what kept the verdicts from being kept."""
        job, last, verdicts = report.run.job, last_verdicts(self._state, report.run.job), dict[str, Verdict]()
        for notifier, rules in self._notifiers:
            if rules.jobs and job not in rules.jobs:
                continue
            if (verdict := verdict_of(report, self._concerned(rules))) is None:
                continue
            verdicts[notifier.label] = verdict
            if is_told(rules, verdict, last.get(notifier.label)):
                chosen.append(notifier)
        if any(rules.when == "change" for _, rules in self._notifiers):
            try:
                keep_verdicts(self._state, job, {**last, **verdicts})
            except OSError as error:
                yield Failure("notify", type(error).__name__, f"{self._state.verdicts}: {error.strerror}")

    def _concerned(self, rules: NotifierRules) -> set[str] | None:
        if not rules.vms:
            return None
        patterns = [Pattern(text) for text in rules.vms]
        return {uuid for uuid, vm in self._vms.items() if any(pattern.matches(vm) for pattern in patterns)}


def _told(label: str, tell: Callable[[], object], claim: Claim | None, call: Call) -> tuple[bool, tuple[Failure, ...]]:
    """Tell one report to a notifier, and keep it or let it go; return whether it was told, and what to say about it."""
    name = _name(label)
    ended = call(name, name, tell)
    failure = ended.failure if ended else Failure(name, "Hangs", "an earlier call of it has not returned")
    changes = ended.changes if ended else ()
    try:
        if failure is None:
            if claim:
                claim.let_go()
            return True, changes
        if claim:
            claim.keep(_reached(ended.error if ended else None))
            failure = replace(failure, message=f"{failure.message}; it is kept for the next run")
    except OSError as error:
        changes = (*changes, _not_kept(label, error))
    return False, (failure, *changes) if failure else changes


def _reached(error: BaseException | None) -> tuple[str, ...]:
    """Return whom a notifier says that it has reached; a stranger's error may be made of anything."""
    told: object = vars(error).get("told") if isinstance(error, NotifyError) else None
    return tuple(one for one in told if isinstance(one, str)) if isinstance(told, tuple) else ()


def _not_kept(label: str, error: OSError) -> Failure:
    return Failure(_name(label), type(error).__name__, f"the state folder cannot keep its reports: {error}")


def _name(label: str) -> str:
    return f"notifier {label}"
