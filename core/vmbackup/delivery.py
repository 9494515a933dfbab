"""One backup on its way to the targets of a job: what fails on one of them fails there alone."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TypeVar

from typing_extensions import Buffer

from vmbackup.bench import Bench, stored_file
from vmbackup.cleanup import FOLDER
from vmbackup.errors import TargetError
from vmbackup.fanout import fan_out
from vmbackup.journal import Intent
from vmbackup.lane import Lane
from vmbackup.manifest import Manifest, StoredFile
from vmbackup.repository import Repository
from vmbackup.results import Backup, Failure, Outcome
from vmbackup.stages import Stages
from vmbackup.stream import Meter

T = TypeVar("T")
# What goes wrong on a target is the storing's fault, wherever in a backup's life it shows.
STEP = "store"


class _Share:
    """What has come of the backup on one target."""

    def __init__(self, lane: Lane) -> None:
        self.lane = lane
        self.intent: Intent | None = None
        self.failure: Failure | None = None
        self.backup: Backup | None = None

    @property
    def alive(self) -> bool:
        return self.failure is None and self.backup is None


class Delivery:
    """The folder of one backup, on every target of the run that is still there."""

    def __init__(self, bench: Bench, folder: str, vm: str = "") -> None:
        """`folder` is the key above the backup's files, the same on all targets; `vm` the name of what it is of."""
        self._bench = bench
        self._folder = folder
        self._vm = vm
        self._shares = [_Share(lane) for lane in bench.lanes]

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """What has come of it on each target, those that the run has lost before among them."""
        made = [Outcome(share.lane.label, share.backup, share.failure) for share in self._shares]
        return (*made, *self._bench.lost)

    def fail(self, failure: Failure) -> None:
        """Let it have failed on all targets that still had a chance."""
        for share in self._shares:
            if share.alive:
                share.failure = failure

    def begin(self, started: datetime) -> None:
        """Make the folder ours, everywhere."""
        begun = self._bench.begun(started)
        for share in self._alive():
            repository = share.lane.repository
            share.intent = self._bench.journal.intend(
                FOLDER, target=share.lane.label, identity=repository.identity, folder=self._folder
            )
        self._everywhere(lambda repository: repository.begin(self._folder, begun, self._vm))

    def store_small(self, role: str, name: str, data: bytes) -> StoredFile:
        """Store a small file of the backup and describe it for the manifest."""
        meter = Meter([data])
        chunks = list(meter)
        self._everywhere(lambda repository: repository.store(f"{self._folder}/{name}", chunks))
        return stored_file(role, name, meter, meter)

    def store(self, name: str, chunks: Iterable[Buffer], stages: Stages) -> None:
        """Store a large file from one stream. Raises what the stream raises, with nothing under its key anywhere.

        `stages` are told where the time goes.
        """
        shares = {share.lane: share for share in self._alive()}
        for lane, error in fan_out(chunks, list(shares), f"{self._folder}/{name}", stages).items():
            shares[lane].failure = Failure.of(STEP, error)
        self._check_left()

    def publish(self, manifest: Manifest) -> None:
        """Write the manifest, and tell everyone of the backups that exist now."""
        for share, backup in self._everywhere(lambda repository: repository.publish(self._folder, manifest)):
            share.backup = backup
            if share.intent is not None:
                self._bench.journal.close(share.intent)
            path = share.lane.repository.target.local_path(backup.folder)
            self._bench.listeners.backup_stored(self._bench.run, backup, path)

    def _alive(self) -> list[_Share]:
        return [share for share in self._shares if share.alive]

    def _check_left(self) -> None:
        """Raise TargetError when no target is left, so that the pool is not read for nobody."""
        if not self._alive():
            raise TargetError("every target has failed; there is none left to store to")

    def _everywhere(self, work: Callable[[Repository], T]) -> list[tuple[_Share, T]]:
        """Do something on all targets at the same time; return what came of it where it succeeded."""
        begun, done = [], []
        for share in self._alive():
            try:
                begun.append((share, share.lane.start(work)))
            except TargetError as error:
                share.failure = Failure.of(STEP, error)
        for share, future in begun:
            try:
                share.lane.finish(future)
            except TargetError as error:
                share.failure = Failure.of(STEP, error)
                continue
            if (wrong := future.exception()) is not None:
                share.failure = Failure.of(STEP, wrong)
            else:
                done.append((share, future.result()))
        self._check_left()
        return done
