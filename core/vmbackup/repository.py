"""The backups that lie on one target, seen through their manifests: written once, published last, removed in order.

A folder of a backup holds `begun.json` from its first moment and a manifest from its last. Nothing is overwritten: a
later generation is a new manifest, and the highest whose files are all there counts. A folder without a `begun.json`
is not ours, and nothing in it is ever touched.
"""

import contextlib
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeVar

from pydantic import ValidationError
from typing_extensions import Buffer

from vmbackup import twins
from vmbackup.contracts import Stored, Target
from vmbackup.emptiness import something_on
from vmbackup.errors import TargetError, TargetNotProven
from vmbackup.manifest import (
    BEGUN,
    IDENTITY,
    MANIFEST,
    REHEARSED,
    TRASH,
    VERIFIED,
    Begun,
    Fact,
    Identity,
    Manifest,
    Rehearsed,
    Verified,
    WrongFile,
    dated,
    generation_name,
    is_ours,
    manifest_generation,
)
from vmbackup.results import Backup
from vmbackup.settings import Settings
from vmbackup.stream import read_all

# Manifests grow by a few hundred bytes a disk; anything larger was not written by us.
FACT_LIMIT = 4 << 20
RUNS, REHEARSALS, POOL_DATABASE = "runs", "rehearsals", "pool-database"
# How the names of what tells people of a generation begin.
SUMS, GUIDE = "SHA256SUMS", "RESTORE"
LATER_FACT = re.compile(r"[a-z]+-[0-9TZ]+\.json")


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A folder that was begun and has no manifest; or, with `trashed`, one whose removal has begun."""

    folder: str
    begun: Begun | None
    trashed: bool


@dataclass(frozen=True, slots=True)
class Broken:
    """A folder that seems to hold a backup and cannot be believed, and why. It is never touched.

    `unread` says that its manifest could not be read, so that it may be none the worse; `foreign` that it is whole, as
    far as anybody knows, but not for us to read.
    """

    folder: str
    reason: str
    unread: bool = False
    foreign: bool = False


class Unbelievable(TargetError):
    """One of our small files was read, and is not what we write."""


F = TypeVar("F", bound=Fact)
Found = Backup | Unfinished | Broken
Layout = Literal["own", "nau", "xo"]


class Repository:
    """The backups on one target, which has been entered."""

    def __init__(self, target: Target[Settings], identity: str, layout: Layout = "own") -> None:
        """`target` is entered by the caller, and proven to be `identity` before anything is written.

        With the layout "nau" new backups get NAU VMbackup's folders and names, too; see `vmbackup.twins`.
        """
        self.target = target
        self.identity = identity
        self.layout = layout

    def through(self, wrap: Callable[[Target[Settings]], Target[Settings]]) -> "Repository":
        """Return the same repository, whose target is reached through what `wrap` makes of it."""
        return Repository(wrap(self.target), self.identity, self.layout)

    def prove(self) -> None:
        """Raise TargetNotProven unless this is the target that the configuration names. Nothing is written."""
        if self.target.stat(IDENTITY) is None:
            raise TargetNotProven(
                f"target {self.target.label}: there is no {IDENTITY} on it, so it is not the one that was set up",
                advice=f"Is it mounted? A new target: vmbackup target init {self.target.label}",
            )
        try:
            identity = self._read(IDENTITY, Identity)
        except TargetError as error:
            raise TargetNotProven(f"target {self.target.label}: {error.message}") from error
        if not self.identity:
            raise TargetNotProven(
                f"target {self.target.label}: the configuration has no id for it",
                advice=f'If this is the right one, write into its section: id = "{identity.id}"',
            )
        if identity.id != self.identity:
            raise TargetNotProven(
                f"target {self.target.label}: the id on it is {identity.id}, the configuration says {self.identity}",
                advice="Another disk or share is there; attach the right one, or correct the id.",
            )

    def initialise(self, identity: Identity, *, not_empty: bool = False) -> None:
        """Make a target ours. Raises TargetNotProven where there is anything on it, unless it may be `not_empty`."""
        if self.target.stat(IDENTITY) is not None:
            found = self._read(IDENTITY, Identity)
            raise TargetNotProven(
                f"target {self.target.label} is set up already, as {found.label!r}",
                advice=f'Write into its section: id = "{found.id}"',
            )
        if not not_empty and (foreign := something_on(self.target)):
            raise TargetNotProven(
                f"target {self.target.label} is not empty: there is {foreign!r}",
                advice="Name an empty folder for vmbackup alone, or say --not-empty: what is not ours stays untouched.",
            )
        self.store_fact(IDENTITY, identity)

    def begin(self, folder: str, begun: Begun, vm: str = "") -> None:
        """Make a folder ours, for a backup of the VM of that name. Raises TargetError."""
        if self.layout == "nau" and vm:
            begun = begun.model_copy(update={"twin": twins.new_twin(vm, begun.started)})
        self.store_fact(f"{folder}/{BEGUN}", begun)

    def store(self, key: str, chunks: Iterable[Buffer]) -> Stored:
        """Store a file, and believe neither us nor the target about its size. Raises TargetError."""
        sent = 0

        def passed() -> Iterator[Buffer]:
            nonlocal sent
            for chunk in chunks:
                sent += memoryview(chunk).nbytes
                yield chunk

        stored = self.target.store(key, passed())
        if stored.size != sent:
            raise TargetError(
                f"{key}: {sent:,} bytes were sent, but the target {self.target.label} has {stored.size:,}"
            )
        return stored

    def store_fact(self, key: str, fact: Fact) -> None:
        """Store one of our small JSON files."""
        self.store(key, [fact.model_dump_json(indent=1).encode() + b"\n"])

    def store_later_fact(self, backup: Backup, name: str, fact: Fact) -> None:
        """Store what became known of a backup since.

        Raises TargetError where the target takes nothing, or the backup has gone: a removal writes `trash.json` before
        it looks what there is to remove, and a folder without `begun.json` would be nobody's.
        """
        key = f"{backup.folder}/{name}"
        self.store_fact(key, fact)
        begun, trash = (self.target.stat(f"{backup.folder}/{one}") for one in (BEGUN, TRASH))
        if begun is None or trash is not None:
            self.target.delete(key)
            raise TargetError(f"{backup.address} was removed meanwhile")

    def publish(self, folder: str, manifest: Manifest) -> Backup:
        """Write the manifest: from now on this generation of the backup is the one that counts.

        The second names of the layout "nau" are there before, and what calls them good comes after it.
        """
        begun = self._read(f"{folder}/{BEGUN}", Begun) if self.target.other_names() else None
        twin = twins.own_twin(self.target, begun)
        twins.lay(self.target, folder, (file.name for file in manifest.files), twin)
        self.store_fact(f"{folder}/{generation_name(MANIFEST, manifest.generation)}", manifest)
        twins.mark(self.target, twin)
        return Backup(self.target.label, folder, manifest)

    def superseded(self, backup: Backup) -> list[str]:
        """Return the keys of our files that belong to no generation that counts, in the order in which they may go.

        First what tells of other files, so that all that is told of is there at any moment: the sums, which tell of the
        guide too, the guide, manifests, then images. Later facts, such as a verification's, belong to no generation.
        """
        generation = backup.manifest.generation
        kept = {file.name for file in backup.manifest.files}
        kept |= {BEGUN, generation_name(MANIFEST, generation)}
        names = (key[len(backup.folder) + 1 :] for key in self._files(backup.folder))
        gone = [name for name in names if name not in kept and not LATER_FACT.fullmatch(name)]
        ranked = sorted(
            gone, key=lambda name: (not name.startswith(SUMS), not name.startswith(GUIDE), not _is_manifest(name))
        )
        return [f"{backup.folder}/{name}" for name in ranked]

    def backups(self) -> list[Backup]:
        """Return all backups, oldest first; dumps of the pool database are among them."""
        found = [found for found in self.scan() if isinstance(found, Backup)]
        return sorted(found, key=lambda backup: (backup.manifest.snapshot_time, backup.folder))

    def scan(self) -> Iterator[Found]:
        """Yield what every folder of ours holds; what is not ours is passed over."""
        for pool in self._folders(""):
            if pool in {RUNS, REHEARSALS}:
                continue
            groups = [pool] if pool == POOL_DATABASE else self._folders(pool)
            for group in groups:
                for folder in self._folders(group):
                    yield from self.look(folder)

    def look(self, folder: str) -> Iterable[Found]:
        """Say what one folder holds: nothing if it is not ours."""
        files = self._sizes(folder)
        if BEGUN not in files:
            return self._almost_removed(folder) if set(filter(is_ours, files)) == {TRASH} else []
        begun = self.begun(folder)
        if begun is None:
            seems = any(manifest_generation(name) for name in files)
            return [Broken(folder, f"its {BEGUN} is not to be believed")] if seems else []
        if TRASH in files:
            return [Unfinished(folder, begun, trashed=True)]
        manifests = sorted((name for name in files if manifest_generation(name)), key=manifest_generation, reverse=True)
        if not manifests:
            return [Unfinished(folder, begun, trashed=False)]
        reasons = []
        unread = False
        for name in manifests:
            try:
                manifest = self._read(f"{folder}/{name}", Manifest)
            except TargetError as error:
                reasons.append(error.message)
                unread |= not isinstance(error, Unbelievable)
                continue
            missing = manifest.missing(files)
            if missing is None:
                verified = self._verified(folder, files, manifest.generation)
                rehearsed = self._rehearsed(folder, files, manifest.generation)
                return [Backup(self.target.label, folder, manifest, verified, rehearsed)]
            reasons.append(missing)
        return [Broken(folder, "; ".join(reasons), unread)]

    def remove(self, backup: Backup) -> None:
        """Remove a backup so that, whenever this is cut short, it can be finished and never looks like a backup.

        Raises TargetError, with nothing changed, while the target keeps any file of it from being deleted.
        """
        locks = {key: self.target.locked_until(key) for key in self._files(backup.folder)}
        until, key = max(((until, key) for key, until in locks.items() if until), default=(None, ""))
        if until is not None:
            name = key.removeprefix(f"{backup.folder}/")
            raise TargetError(
                f"{backup.address} stays: its {name} is locked until {until:%Y-%m-%d %H:%M:%S} UTC",
                advice="The lock holds as it should. A run after that date removes it.",
            )
        # A full target must still be emptied: without its manifests, which go first, the folder is an unfinished one.
        with contextlib.suppress(TargetError):
            self.store_fact(f"{backup.folder}/{TRASH}", backup.manifest)
        self.finish_removal(backup.folder)

    def finish_removal(self, folder: str) -> None:
        """Go on with a removal: manifests first, then images and the rest, and what says that it is ours last.

        The second names go before the files themselves, which tell whose the names are.
        """
        files, begun = self._files(folder), self.begun(folder)
        last = [f"{folder}/{BEGUN}", f"{folder}/{TRASH}"]
        manifests = [key for key in files if key.count("/") == folder.count("/") + 1 and _is_manifest(key)]
        for key in manifests:
            self.target.delete(key)
        twins.withdraw(self.target, folder, files, begun.twin if begun else None)
        for key in (*(key for key in files if key not in manifests and key not in last), *last):
            self.target.delete(key)

    def abandon(self, folder: str) -> None:
        """Take away a backup that was begun and not published, partial files included."""
        for leftover in self.target.leftovers():
            if leftover.key.startswith(f"{folder}/"):
                self.target.discard(leftover)
        files, twin = self._files(folder), twins.own_twin(self.target, self.begun(folder))
        if any(_is_manifest(key) for key in files):
            twins.mark(self.target, twin)
            return
        twins.withdraw(self.target, folder, files, twin)
        begun = f"{folder}/{BEGUN}"
        for key in (*(key for key in files if key != begun), begun):
            self.target.delete(key)

    def fetch_small(self, key: str) -> bytes:
        """Return one of the small files. Raises TargetError."""
        try:
            return read_all(self.target.fetch(key), FACT_LIMIT)
        except ValueError as error:
            raise Unbelievable(f"{key}: {error}") from None

    def _read(self, key: str, kind: type[F]) -> F:
        try:
            return kind.model_validate_json(self.fetch_small(key))
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(str(part) for part in first["loc"])
            raise Unbelievable(f"{key}: not to be believed: {place}: {first['msg']}") from None

    def _verified(self, folder: str, files: Iterable[str], generation: int) -> tuple[Verified, ...]:
        """Return what the verifications of this generation have found, newest first.

        A result that cannot be read counts as one that found something wrong: it might be.
        """
        found = []
        for moment, name in sorted(((at, name) for name in files if (at := dated(VERIFIED, name))), reverse=True):
            try:
                result = self._read(f"{folder}/{name}", Verified).model_copy(update={"moment": moment})
            except TargetError as error:
                wrong = (WrongFile(file=name, message=error.message),)
                result = Verified(
                    generation=generation, moment=moment, level="full", read=0, seconds=0, written_by="", wrong=wrong
                )
            if result.generation == generation:
                found.append(result)
        return tuple(found)

    def _rehearsed(self, folder: str, files: Iterable[str], generation: int) -> tuple[Rehearsed, ...]:
        """Return what rehearsals of this generation have come to, newest first; what cannot be read tells nothing."""
        found = []
        for name in sorted((name for name in files if dated(REHEARSED, name)), reverse=True):
            with contextlib.suppress(TargetError):
                found.append(self._read(f"{folder}/{name}", Rehearsed))
        return tuple(one for one in found if one.generation == generation)

    def rehearsals(self, vm: str) -> Iterator[Rehearsed]:
        """Yield what the rehearsals of a VM, by its UUID, have come to, newest first, whichever backups are left.

        Each is read when it is asked for: there are more of them every week.
        """
        for entry in sorted(self.target.entries(f"{REHEARSALS}/{vm}"), key=lambda entry: entry.key, reverse=True):
            try:
                found = self._read(entry.key, Rehearsed)
            except TargetError:
                continue  # what cannot be read tells nothing
            yield found

    def _almost_removed(self, folder: str) -> list[Found]:
        """Where `trash.json` is all that is ours, it is the last moment of a removal, if that is what the file says."""
        try:
            self._read(f"{folder}/{TRASH}", Manifest)
        except TargetError:
            return []
        return [Unfinished(folder, None, trashed=True)]

    def begun(self, folder: str) -> Begun | None:
        """Say who has begun the folder, or None if it is not ours."""
        return self.begun_by(f"{folder}/{BEGUN}")

    def begun_by(self, key: str) -> Begun | None:
        """Say who has stored such a fact under `key`, or None if there is none that can be believed."""
        try:
            return self._read(key, Begun)
        except TargetError:
            return None

    def _folders(self, prefix: str) -> list[str]:
        return sorted(entry.key for entry in self.target.entries(prefix) if entry.size is None)

    def _sizes(self, folder: str) -> dict[str, int]:
        """Return the size of each file in a folder of a backup and one level below, by its name there."""
        found: dict[str, int] = {}
        for entry in self.target.entries(folder):
            for file in [entry] if entry.size is not None else self.target.entries(entry.key):
                if file.size is not None:
                    found[file.key[len(folder) + 1 :]] = file.size
        return found

    def _files(self, folder: str) -> list[str]:
        """Return the keys of our files in a folder of ours; what somebody else has put there stays where it is."""
        names = set(self._sizes(folder))
        for inner in self._folders(folder):
            if not any(self.target.entries(inner)):
                # A folder in which nothing came to lie is deleted by the name of something that might.
                names.add(f"{inner[len(folder) + 1 :]}/{'vif-0' if inner.endswith('/VIFs') else 'vbd'}.cfg")
        return sorted(f"{folder}/{name}" for name in names if is_ours(name))


def backup_folder(key: str) -> str:
    """Return the folder of the backup that a file belongs to, by the depth at which such folders lie."""
    parts = key.split("/")
    return "/".join(parts[: 2 if parts[0] == POOL_DATABASE else 3])


def _is_manifest(key: str) -> bool:
    return manifest_generation(key.rpartition("/")[2]) > 0
