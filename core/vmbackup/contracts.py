"""The kinds of plugin that a configuration names: what each must do, and what the core promises in return.

A plugin is a class with a `name` and a `Settings` model. The registry makes one object of it for each section of the
configuration that names it, with the section's label and its validated settings. What a plugin raises is written into
the report under its label; retry, throttling and dry run are the core's business, never a plugin's.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Generic, Protocol, Self, TypeAlias, TypeVar

from typing_extensions import Buffer

from vmbackup.images import ImageCheck
from vmbackup.manifest import Exported
from vmbackup.models import VM, Disk
from vmbackup.results import Report, Run
from vmbackup.settings import NoSettings, Settings

S_co = TypeVar("S_co", bound=Settings, covariant=True)


class Plugin(ABC, Generic[S_co]):
    """Base of every kind. `kind` is set by the kind, `name` is what the configuration says after `type` or `with`."""

    kind: ClassVar[str]
    name: ClassVar[str]
    Settings: ClassVar[type[Settings]] = NoSettings

    def __init__(self, label: str, settings: S_co) -> None:
        """`label` is the section's own name, `settings` an instance of this class's `Settings`."""
        self.label = label
        self.settings = settings


@dataclass(frozen=True, slots=True)
class Stored:
    """A file that lies whole on a target, and its size in bytes as the target reports it."""

    key: str
    size: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing below a prefix: a file with its size in bytes, or a folder (`size` is None). `key` is the whole key."""

    key: str
    size: int | None


@dataclass(frozen=True, slots=True)
class Leftover:
    """Part of a file that was never finished; `token` is how the target finds it again, `modified` is UTC."""

    key: str
    token: str
    size: int
    modified: datetime


# A place below a target's root: the names of the folders and the last one's own, none of them "", "." or "..".
Names: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Named:
    """Something in a folder of any name: a file with its size in bytes, or a folder (`size` is None)."""

    name: str
    size: int | None


class OtherNames(Protocol):
    """What lies on a target beside its keys, under any names: somebody else's files, which keys could not name.

    A file may have a key and other names at once and is then one file, stored once (hard links). Links that name paths,
    and devices, are passed over in listings and otherwise refused. All raise TargetError where the storage fails.
    """

    def entries(self, folder: Names) -> list[Named]:
        """Files and folders directly below a folder; nothing if there is none. A listing is never short."""

    def read(self, names: Names, limit: int) -> bytes:
        """The first `limit` bytes of a file. Raises KeyMissing."""

    def give_key(self, names: Names, key: str) -> Stored:
        """Let a file be known by `key`, too; it may be already. Raises KeyExists for another file, and KeyMissing."""

    def give_names(self, key: str, names: Names) -> None:
        """Let what lies under `key` be known by other names, too, as `give_key` does; folders are made."""

    def mark(self, names: Names) -> None:
        """Make an empty file; one that is there is no error."""

    def is_same(self, names: Names, key: str) -> bool | None:
        """Whether both are one file; None where nothing has these names."""

    def remove(self, names: Names) -> None:
        """Take a name away, and the folders that this leaves empty; nothing there is no error."""


class Target(Plugin[S_co]):
    """Keeps files under keys. Called from several threads at once; entered before the first use, left after the last.

    A target raises TargetError (or one of its kinds) for whatever goes wrong outside of it, with a message that names
    the key and the cause; TargetLost where its connection broke, after which the next call connects anew, and a run
    may export the VM again. Anything else that it raises is taken for a bug in it.
    """

    kind = "target"
    any_name: ClassVar[bool] = False
    """Whether it has `other_names`: whether files may have any names beside their keys."""

    def __enter__(self) -> Self:
        """Make the storage reachable: mount, connect, open."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        """Undo what entering did."""

    @abstractmethod
    def store(self, key: str, chunks: Iterable[Buffer]) -> Stored:
        """Keep the bytes under `key`, all or nothing, flushed before it is seen there, and report its size.

        A chunk is read-only and valid until the next is asked for. If `chunks` raises, nothing stays and the same
        error goes on. Raises KeyExists, and changes nothing, if something is stored there; KeyRefused for a bad key.
        """

    @abstractmethod
    def stat(self, key: str) -> Stored | None:
        """What lies under `key`, or None."""

    def local_path(self, key: str) -> Path | None:
        """Where `key` is found on this machine while the target is entered, or None where it is no file here."""
        del key
        return None

    def other_names(self) -> OtherNames | None:
        """The way to names that are no keys, on a target with `any_name` that is entered; else None."""
        return None

    @abstractmethod
    def fetch(self, key: str, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        """The bytes under `key` from `offset` on, `length` of them or to the end. Raises KeyMissing."""

    @abstractmethod
    def entries(self, prefix: str = "") -> Iterator[Entry]:
        """Files and folders directly below the folder `prefix`, in any order; nothing if there is no such folder.

        Unfinished files, links and names that are no keys are left out. A listing that fails raises; it is never short.
        """

    @abstractmethod
    def delete(self, key: str) -> None:
        """Remove what lies under `key` and the folders that this leaves empty; nothing there is no error."""

    def locked_until(self, key: str) -> datetime | None:  # noqa: ARG002 - most targets lock nothing
        """Until when the target refuses to delete what lies under `key` (UTC), or None if it does not."""
        return None

    @abstractmethod
    def free(self) -> int | None:
        """Bytes that may still be stored, or None where nobody knows."""

    @abstractmethod
    def leftovers(self) -> Iterator[Leftover]:
        """Files that a dead process left unfinished; those that a living one is writing may be among them."""

    @abstractmethod
    def discard(self, leftover: Leftover) -> None:
        """Remove an unfinished file and the folders that this leaves empty; one that is gone is no error."""


@dataclass(frozen=True, slots=True)
class Export:
    """What a method wants streamed out of the pool, and how the bytes are proven.

    `handler` and `query` are the HTTP request, without session and task; `image` is the file's name; `check` makes the
    check that the bytes pass through; `disks` are those that the image holds, paired with the VM's own: (exported,
    original); `packed` names the compression that the host applies, if any; `subject` is the reference of the VM record
    whose metadata describes the backup. `exported` says what the pool reads: a snapshot, the halted VM itself, or a
    copy. `stays` is a copy that the method has had made, which stays in the pool once a target has the proven backup.
    """

    handler: str
    query: Mapping[str, str]
    image: str
    check: Callable[[], ImageCheck]
    disks: tuple[tuple[Disk, Disk], ...]
    subject: str
    packed: str | None = None
    exported: Exported = "snapshot"
    stays: VM | None = None


class Scratch(Protocol):
    """What a method may make in the pool for one backup.

    Each thing is written to the journal before it is made, marked as ours once it is there, and unmade by the core
    whatever happens, in this run or the next.
    """

    def block_migration(self, vm: VM) -> None:
        """Keep `vm` from being moved to another host or SR until its backup is over."""

    def snapshot_vm(self, vm: VM, without: Collection[Disk] = ()) -> VM:
        """Snapshot all disks of `vm` but some, and return the snapshot, no template any more, with its disks.

        Raises SnapshotRefused where the storage should be spared it.
        """

    def snapshot_disk(self, disk: Disk) -> Disk:
        """Snapshot one disk of a VM and return the snapshot. Raises SnapshotRefused as `snapshot_vm` does."""

    def copy_vm(self, snapshot: VM, sr: str, name: str) -> VM:
        """Copy a snapshot that this backup has made, as a halted VM called `name` on an SR (by UUID or name).

        Returns the copy with its disks, each at the position of the one that it was made from, when the pool has copied
        the last of them, which may take hours. It is unmade like everything else unless `Export.stays` says otherwise.
        Raises PlanError where that SR cannot take it, BackupError where it lacks the room, or for anything else's copy.
        """


class Method(Plugin[S_co]):
    """How one VM becomes one image: `vm-export` and `vdi-export` are two of this kind."""

    kind = "method"
    packings: ClassVar[frozenset[str]] = frozenset()
    """The compressions that the pool's host can apply to this export."""

    @abstractmethod
    def disks(self, vm: VM) -> tuple[Disk, ...]:
        """The disks of `vm` that a backup holds. Raises PlanError, with the reason, if it cannot be backed up so."""

    def snapshots(self, vm: VM) -> tuple[Disk, ...]:
        """The disks that a backup of `vm` snapshots: those that it holds, unless the VM is exported as it is."""
        return self.disks(vm)

    def keeps_copy_on(self, vm: VM) -> str | None:  # noqa: ARG002 - most methods leave nothing in the pool
        """The SR, by UUID or name, on which a backup of `vm` leaves a copy of it (`Export.stays`), or None.

        The plan looks whether it is there and has the room.
        """
        return None

    @abstractmethod
    def begin(self, scratch: Scratch, vm: VM, packing: str | None) -> Export:
        """Make in the pool what the export needs. `packing` is the compression that is asked of the host, if any."""

    def estimate(self, vm: VM) -> int:
        """Bytes that the pool will send at most, before compression."""
        return sum(disk.virtual_size for disk in self.disks(vm))


class Compressor(Plugin[S_co]):
    """Makes streams smaller. `suffix` ends the file's name.

    `unpack` are the shell words that undo it for a person: before the file's name they write its content to standard
    output. Every chunk, of those that go in and of those that come out, owns its bytes: several wait for each target,
    and what is compressed on other threads is kept while the next ones are asked for.
    """

    kind = "compressor"
    suffix: ClassVar[str]
    unpack: ClassVar[str]

    @abstractmethod
    def compress(self, chunks: Iterable[Buffer]) -> Iterator[Buffer]:
        """The compressed stream; if `chunks` raises, so does this, before any end mark is given out."""

    @abstractmethod
    def decompress(self, chunks: Iterable[Buffer]) -> Iterator[Buffer]:
        """What was compressed, whatever the settings were then. Raises ImageError for a damaged or short stream."""


@dataclass(frozen=True, slots=True)
class OriginalFile:
    """One file of a backup: its name below the backup's folder, its size in bytes, and its SHA-256 in hex."""

    name: str
    size: int
    sha256: str


class Original(Protocol):
    """A backup as it lies on its target, for a mirror to copy: `files` in the order in which they are to be copied.

    The manifest is the last of them: where it is, the backup is whole. `folder` is the key above the files.
    """

    folder: str
    files: tuple[OriginalFile, ...]

    def fetch(self, file: OriginalFile, offset: int = 0) -> Iterator[bytes]:
        """The bytes of a file from `offset` on.

        Read from its beginning it has proven at its end to be what was backed up; else it raises ImageError, and
        TargetError where it cannot be read.
        """

    def path(self, file: OriginalFile) -> Path | None:
        """Where another program finds the file, proven to be what was backed up; None where only `fetch` does.

        Raises as `fetch` does.
        """

    def moved(self) -> None:
        """Tell that the copy goes on. `fetch` does so by itself; who is silent for long is given up."""


# Gives a target of the configuration by its label, entered and proven, until the end of a `with`.
TargetOpener: TypeAlias = Callable[[str], AbstractContextManager[Target[Settings]]]


class Mirror(Plugin[S_co]):
    """Keeps copies of backups somewhere else. One thread uses it: entered before the first use, left after the last.

    It raises TargetError (or one of its kinds) for whatever goes wrong outside of it. When to copy, what to remove and
    whether to try again is the core's business.
    """

    kind = "mirror"

    def meet(self, opened: TargetOpener) -> None:
        """Be given, before anything else, the way to the configuration's targets by label, entered and proven."""

    def __enter__(self) -> Self:
        """Make the place reachable."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        """Undo what entering did."""

    @abstractmethod
    def holds(self) -> Iterator[str]:
        """The folders of the backups that lie there whole: those with a manifest. A listing that fails raises."""

    @abstractmethod
    def copy(self, original: Original) -> None:
        """Copy the files in their order, each one proven there to have its size and SHA-256 before the next.

        What is there already and whole need not be sent again; what a copy that was cut short has left is completed or
        replaced. Returns only when the whole backup is there; raises otherwise, with no manifest there.
        """

    @abstractmethod
    def remove(self, folder: str) -> None:
        """Remove a backup, its manifests first; nothing there is no error, and what is not a backup's file stays."""


# Gives the earlier runs of the job whose run is reported, newest first, 30 at most.
Past: TypeAlias = Callable[[], Sequence[Report]]


class Reporter(Plugin[S_co]):
    """Writes a report somewhere."""

    kind = "reporter"

    def meet(self, past: Past) -> None:
        """Be given, before a report is written, the way to the job's earlier runs.

        `past` reads them from a target of the job, when it is called and not before; it raises TargetError or
        TargetNotProven where none can be read in time.
        """

    @abstractmethod
    def write(self, report: Report) -> None:
        """Called once at the end of each run, whatever came of it."""


class Notifier(Plugin[S_co]):
    """Tells somebody about a run. Whether a run is told at all, and what becomes of it then, is the core's business."""

    kind = "notifier"

    def started(self, run: Run) -> None:
        """Called where a run begins, whatever its end is told of. What it raises is a warning, and not tried again."""

    @abstractmethod
    def notify(self, report: Report) -> None:
        """Tell of a run that is over. Raises NotifyError where not everybody was told.

        The report is then kept, and told again at the end of later runs, of whatever job, until that succeeds.
        """

    def notify_rest(self, report: Report, told: tuple[str, ...]) -> None:
        """Tell again of a run of which those in `told` know already, by the NotifyError of an earlier call."""
        del told
        self.notify(report)
