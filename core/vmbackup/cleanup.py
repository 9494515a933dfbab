"""Leaving nothing behind: after each VM, and for the runs that died before they could."""

from collections.abc import Collection, Iterable, Iterator
from datetime import UTC, datetime, timedelta

from vmbackup.errors import VmbackupError
from vmbackup.journal import Intent, Journal, dead_journals
from vmbackup.lane import Lane
from vmbackup.repository import Repository, Unfinished, backup_folder
from vmbackup.results import Failure
from vmbackup.state import Installation, State
from vmbackup.xapi.session import Session
from vmbackup.xapi.unmake import unmake

FOLDER, DEATH = "folder", "death"
# A writer that has been silent for so long is dead, wherever it ran.
STALE = timedelta(days=1)


def clean_up(session: Session, journal: Journal, lanes: Collection[Lane], intents: Iterable[Intent]) -> list[Failure]:
    """Unmake what `intents` say was begun, the latest first, and return what could not be: the next run tries again."""
    failures: list[VmbackupError] = []
    for intent in intents:
        if intent.kind != FOLDER:
            failures += unmake(session, journal, [intent])
        for lane in lanes:
            if intent.kind == FOLDER and lane.repository.identity == intent.text("identity"):
                failures += _abandon(journal, lane, intent)
    return [Failure.of("cleanup", failure) for failure in failures]


def _abandon(journal: Journal, lane: Lane, intent: Intent) -> list[VmbackupError]:
    try:
        lane.do(lambda repository: repository.abandon(intent.text("folder")))
    except VmbackupError as error:
        return [error]
    journal.close(intent)
    return []


def reconcile(session: Session, pool: str, lanes: Collection[Lane], state: State) -> Iterator[Failure]:
    """Clean up after the dead runs of this installation against this pool; yield what could not be.

    A journal that is about another pool, or another target, is left to a run that has those.
    """
    for journal in dead_journals(state.journals):
        if journal.pool in {pool, ""}:
            yield from clean_up(session, journal, lanes, journal.open)


def deaths(pool: str, state: State) -> Iterator[Failure]:
    """Yield, once for each, how far the runs against this pool had come that ended without a report."""
    for journal in dead_journals(state.journals):
        way = journal.way
        if journal.pool not in {pool, ""} or way.told or not way.doing:
            continue
        journal.tell()
        where = f"at the step {way.step}" if way.step else "before its first step"
        of = f" of the VM {way.vm!r}" if way.vm else ""
        yield Failure(
            DEATH,
            "Died",
            f"{way.doing} that began {way.started} UTC ended {where}{of}, without a report",
            "It was killed, or the machine went down; the system's log says more.",
        )


def tidy(repository: Repository, installation: Installation, state: State) -> Iterator[Failure]:
    """Finish removals that were cut short, and take away what dead runs of this installation began on the target.

    The journal tells most of it; this finds the rest where a journal was lost with its state folder.
    """
    everything = list(repository.scan())
    # After the scan: a living run had its journal before any of the folders that were seen.
    living = {path.stem for path in state.journals.glob("*.jsonl")}
    for found in everything:
        if not isinstance(found, Unfinished):
            continue
        try:
            if found.trashed:
                repository.finish_removal(found.folder)
            elif found.begun and found.begun.installation == installation.id and found.begun.run_id not in living:
                repository.abandon(found.folder)
        except VmbackupError as error:
            yield Failure.of("cleanup", error)
    try:
        _discard_leftovers(repository, installation, living)
    except VmbackupError as error:
        yield Failure.of("cleanup", error)


def _discard_leftovers(repository: Repository, installation: Installation, living: Collection[str]) -> None:
    """Remove the unfinished files of our dead runs; anybody's, once nothing has been written to them for a day."""
    for leftover in list(repository.target.leftovers()):
        begun = repository.begun(backup_folder(leftover.key))
        ours = begun is not None and begun.installation == installation.id and begun.run_id not in living
        if ours or datetime.now(UTC) - leftover.modified > STALE:
            repository.target.discard(leftover)
