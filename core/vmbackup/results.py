"""What came of a run: told to listeners, written to the target, printed. Pure data, and pure decisions about it.

A report is read back from the target as hostile input: the types of its fields say what is believed.
"""

from dataclasses import dataclass, field
from typing import Literal

from vmbackup.errors import VmbackupError
from vmbackup.manifest import LEVELS, Level, Manifest, Rehearsed, Seconds, Size, Utc, Verified
from vmbackup.models import Pool

# The step before the first VM: what fails there stops everything, and has an exit code of its own.
PREPARE = "prepare"
ALL_GOOD, SOME_FAILED, ALL_FAILED, WARNED = 0, 3, 4, 5
# What a run came to, in a word.
Result = Literal["good", "warnings", "failed", "interrupted"]


@dataclass(frozen=True, slots=True)
class Run:
    """A run of a job while it is under way; `started` is UTC."""

    id: str
    job: str
    pool: Pool
    started: Utc


@dataclass(frozen=True, slots=True)
class Failure:
    """Why something failed: the step, a code for machines (XAPI's where there is one), and words for people.

    `exit_code` is the one that documents this failure where it stopped everything.
    """

    step: str
    code: str
    message: str
    advice: str = ""
    exit_code: int = 1

    @classmethod
    def of(cls, step: str, error: BaseException) -> "Failure":
        """Describe `error`; one that is not ours is a fault of ours, and its class is its code."""
        if isinstance(error, VmbackupError):
            return cls(step, error.code, error.message, error.advice, error.exit_code)
        return cls(step, type(error).__name__, f"{type(error).__name__}: {error}", "This is a bug: please report it.")


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup in a target's repository: it exists because its manifest does. `folder` is the key above its files.

    `verified` and `rehearsed` are the kept results of its verifications and rehearsals, newest first, of this
    generation alone.
    """

    target: str
    folder: str
    manifest: Manifest
    verified: tuple[Verified, ...] = ()
    rehearsed: tuple[Rehearsed, ...] = ()

    @property
    def address(self) -> str:
        """How the command line names it: `TARGET:VM@TIME-RUN`."""
        what = self.manifest.vm.name if self.manifest.vm else "pool-database"
        return f"{self.target}:{what}@{self.folder.rsplit('/', 1)[-1]}"

    @property
    def size(self) -> int:
        """What it takes on the target, in bytes, without the small files that name it."""
        return sum(file.size for file in self.manifest.files)

    @property
    def fault(self) -> Verified | None:
        """The newest verification that found it wrong, unless a whole one has found it good since."""
        for result in self.verified:
            if result.good and result.level == "full":
                return None
            if result.wrong:
                return result
        return None

    @property
    def unread(self) -> bool:
        """Whether it was adopted and never found good as a whole since: it counts for nothing until then."""
        return self.manifest.adopted is not None and self.proven("full") is None

    def proven(self, level: Level) -> Verified | None:
        """Return the newest verification that found it good and looked at no less than `level` does."""
        rank = LEVELS.index(level)
        return next((one for one in self.verified if one.good and LEVELS.index(one.level) >= rank), None)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one VM on one target: a backup, or a failure."""

    target: str
    backup: Backup | None = None
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class VMResult:
    """What came of one VM: an outcome for each target. Durations in seconds, `read` the bytes that the pool sent.

    `warnings` are what went wrong without harm to the backup, such as a snapshot that could not be removed yet.
    """

    vm: str
    uuid: str
    method: str
    started: Utc
    seconds: Seconds
    read: Size
    outcomes: tuple[Outcome, ...]
    warnings: tuple[Failure, ...] = ()

    @property
    def good(self) -> bool:
        """Whether every target holds a proven backup."""
        return bool(self.outcomes) and all(outcome.backup for outcome in self.outcomes)

    @property
    def partly(self) -> bool:
        """Whether some targets hold a proven backup, and others do not."""
        return any(outcome.backup for outcome in self.outcomes) and not self.good

    @property
    def own_failures(self) -> tuple[Outcome, ...]:
        """The outcomes that failed on this VM's account: not those on targets that were not there for any VM."""
        return tuple(
            outcome for outcome in self.outcomes if outcome.failure is not None and outcome.failure.step != PREPARE
        )


@dataclass(frozen=True, slots=True)
class Removal:
    """A backup that retention has removed, or tried to, and why it could go."""

    target: str
    folder: str
    reason: str
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class Mirrored:
    """A backup that was copied to a mirror or removed from it, or was to be. `size` in bytes; `seconds` it took.

    `folder` is "" for what concerns the mirror as a whole, such as that it cannot be reached.
    """

    mirror: str
    folder: str
    did: Literal["copied", "removed", "reached"]
    size: Size = 0
    seconds: Seconds = 0.0
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """What a job keeps of a VM on a target at the end of a run: how many good `copies`, and when the newest was taken.

    `verified` is when one of them was last read whole and found good, `leaving` when that was taken which the next one
    takes the place of.
    """

    target: str
    vm: str
    uuid: str
    copies: Size
    newest: Utc | None = None
    verified: Utc | None = None
    leaving: Utc | None = None


@dataclass(frozen=True, slots=True)
class Space:
    """Bytes that were free on a target before the first VM of a run and after its last, where that is known."""

    target: str
    before: Size | None = None
    after: Size | None = None


@dataclass(frozen=True, slots=True)
class Covered:
    """A VM of the inventory, and whether the job takes it, or leaves it out on purpose: `excluded`.

    `chain` is how many images the storage reads through for the disk of it that has the most, before this run.
    """

    vm: str
    uuid: str
    taken: bool
    excluded: bool = False
    chain: Size | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """A run from its start to its end, in UTC: what every reporter and notifier is given.

    `rehearsals` are the newest of each of the job's VMs on each target, where the job has its restores rehearsed.
    `vmbackup_report` is the version of this form: a later one that means something else has another.
    """

    run: Run
    finished: Utc
    targets: tuple[str, ...]
    results: tuple[VMResult, ...]
    failures: tuple[Failure, ...] = ()
    warnings: tuple[Failure, ...] = ()
    removals: tuple[Removal, ...] = ()
    inventory: tuple[Covered, ...] = ()
    rehearsals: tuple[Rehearsed, ...] = ()
    mirrored: tuple[Mirrored, ...] = ()
    kept: tuple[Kept, ...] = ()
    spaces: tuple[Space, ...] = ()
    interrupted: int | None = None
    versions: dict[str, str] = field(default_factory=dict)
    vmbackup_report: Literal[1] = 1

    @property
    def failed(self) -> int:
        """How many things that the job names have failed, on whatever target."""
        return sum(not result.good for result in self.results) + len(self.failures)

    @property
    def succeeded(self) -> int:
        """How many VMs have a proven backup on every target."""
        return sum(result.good for result in self.results)

    @property
    def result(self) -> Result:
        """What the run came to, in a word."""
        if self.interrupted is not None:
            return "interrupted"
        return "failed" if self.failed else "warnings" if self.all_warnings else "good"

    @property
    def all_warnings(self) -> tuple[Failure, ...]:
        """The warnings of the run and of its VMs, and what failed of the removals and on the mirrors."""
        of_vms = tuple(warning for result in self.results for warning in result.warnings)
        others = [*(one.failure for one in self.removals), *(one.failure for one in self.mirrored)]
        return self.warnings + of_vms + tuple(failure for failure in others if failure)


def exit_code(report: Report, *, strict: bool = False) -> int:
    """Return the documented exit code of a run; `strict` turns warnings into 5."""
    if report.interrupted is not None:
        return 128 + report.interrupted
    if not report.results and report.failures and report.failures[0].step == PREPARE:
        return report.failures[0].exit_code
    if report.failed:
        some = any(outcome.backup for result in report.results for outcome in result.outcomes)
        return SOME_FAILED if some else ALL_FAILED
    return WARNED if strict and report.all_warnings else ALL_GOOD
