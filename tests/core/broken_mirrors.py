"""Mirrors that are each wrong in one way, over a folder; `BROKEN` names the promise that each breaks."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

from vmbackup import ImageError, Original, OriginalFile, Settings, Target, TargetError, conformance
from vmbackup.conformance.looking import SILENCE_SECONDS
from vmbackup_mirrors.copy import Copy, CopySettings
from vmbackup_targets.local import Local, LocalSettings

Promise = Callable[..., None]
BROKEN: dict[type[Copy], Promise] = {}


def over(kind: type[Copy], root: Path) -> Copy:
    """A mirror of that kind over a folder."""

    @contextmanager
    def opened(label: str) -> Iterator[Target[Settings]]:
        with Local(label, LocalSettings(path=root)) as target:
            yield target

    mirror = kind("offsite", CopySettings(target="second"))
    mirror.meet(opened)
    return mirror


def breaks(promise: Promise) -> Callable[[type[Copy]], type[Copy]]:
    def note(kind: type[Copy]) -> type[Copy]:
        BROKEN[kind] = promise
        return kind

    return note


class Changed:
    """An original whose files are others, or come in another way."""

    def __init__(self, original: Original, files: tuple[OriginalFile, ...] | None = None) -> None:
        self.original = original
        self.folder = original.folder
        self.files = original.files if files is None else files

    def fetch(self, file: OriginalFile, offset: int = 0) -> Iterator[bytes]:
        return self.original.fetch(file, offset)

    def path(self, file: OriginalFile) -> Path | None:
        return self.original.path(file)

    def moved(self) -> None:
        self.original.moved()


@breaks(conformance.holds_nothing_at_first)
class HoldsEveryFolder(Copy):
    def holds(self) -> Iterator[str]:
        for top in self._folders(""):
            for group in self._folders(top):
                yield from self._folders(group)


@breaks(conformance.keeps_every_file)
class SkipsWhatIsEmpty(Copy):
    def copy(self, original: Original) -> None:
        super().copy(Changed(original, tuple(file for file in original.files if file.size)))


@breaks(conformance.keeps_every_file)
class KnowsOneGeneration(Copy):
    def holds(self) -> Iterator[str]:
        return (folder for folder in super().holds() if "manifest.json" in self._names(folder))


@breaks(conformance.keeps_every_file)
class ForgetsTheDatabase(Copy):
    def holds(self) -> Iterator[str]:
        return (folder for folder in super().holds() if not folder.startswith("pool-database/"))


@breaks(conformance.copies_from_paths)
class TakesTheNameOfThePath(Copy):
    """As a program that is told a path and puts it into a folder."""

    def copy(self, original: Original) -> None:
        for file in original.files:
            found = original.path(file)
            if found is None:
                super().copy(Changed(original, (file,)))
                continue
            with suppress(TargetError):
                self._target.store(f"{original.folder}/{found.name}", [found.read_bytes()])


@breaks(conformance.copies_twice)
class RefusesWhatIsThere(Copy):
    def copy(self, original: Original) -> None:
        if original.folder in self.holds():
            raise TargetError(f"{original.folder} is there")
        super().copy(original)


@breaks(conformance.needs_little_memory)
class KeepsAllInMemory(Copy):
    def copy(self, original: Original) -> None:
        for file in original.files:
            data = b"".join(original.fetch(file))
            original.moved()
            self._target.store(f"{original.folder}/{file.name}", [data])


@breaks(conformance.counts_nothing_half)
class CopiesTheManifestFirst(Copy):
    def copy(self, original: Original) -> None:
        super().copy(Changed(original, original.files[::-1]))


@breaks(conformance.counts_nothing_half)
class HasItsOwnWords(Copy):
    def copy(self, original: Original) -> None:
        try:
            super().copy(original)
        except TargetError as error:
            raise TargetError(f"{self.label}: {error}") from error


class Lenient(Changed):
    def fetch(self, file: OriginalFile, offset: int = 0) -> Iterator[bytes]:
        with suppress(ImageError):
            yield from super().fetch(file, offset)


@breaks(conformance.passes_no_damage_on)
class TakesDamageForTheEnd(Copy):
    def copy(self, original: Original) -> None:
        for file in original.files:
            self._target.store(f"{original.folder}/{file.name}", Lenient(original).fetch(file))


@breaks(conformance.mends_what_is_wrong)
class BelievesSizes(Copy):
    def copy(self, original: Original) -> None:
        def there(file: OriginalFile) -> bool:
            found = self._target.stat(f"{original.folder}/{file.name}")
            return found is not None and found.size == file.size

        super().copy(Changed(original, tuple(file for file in original.files if not there(file))))


@breaks(conformance.mends_what_is_wrong)
class NeverReplaces(Copy):
    def copy(self, original: Original) -> None:
        for file in original.files:
            if self._target.stat(f"{original.folder}/{file.name}") is None:
                self._target.store(f"{original.folder}/{file.name}", original.fetch(file))


@breaks(conformance.removes_manifests_first)
class RemovesByTheAlphabet(Copy):
    def remove(self, folder: str) -> None:
        for name in sorted(self._names(folder)):
            self._target.delete(f"{folder}/{name}")
            time.sleep(0.2)
        for name in ("DISK-xvda/vbd.cfg", "DISK-xvda/vdi.cfg", "VIFs/vif-0.cfg"):
            self._target.delete(f"{folder}/{name}")


@breaks(conformance.leaves_what_is_not_its_own)
class RemovesAllThatIsThere(Copy):
    def remove(self, folder: str) -> None:
        for name in sorted(self._names(folder), key=lambda name: "manifest" not in name):
            self.remove(f"{folder}/{name}")
            self._target.delete(f"{folder}/{name}")


@breaks(conformance.removes_twice)
class MissesWhatItRemoves(Copy):
    def remove(self, folder: str) -> None:
        if folder not in self.holds():
            raise TargetError(f"{folder} is not there")
        super().remove(folder)


@breaks(conformance.removes_twice)
class RemovesTheManifestAlone(Copy):
    def remove(self, folder: str) -> None:
        self._target.delete(f"{folder}/manifest.json")


@breaks(conformance.tells_that_it_goes_on)
class IsSilent(Copy):
    """Hands a path to a program, and waits for its end."""

    def copy(self, original: Original) -> None:
        original.path(original.files[1])
        time.sleep(SILENCE_SECONDS)
        super().copy(original)


@breaks(conformance.never_lists_short)
class TakesWhatIsAwayForEmpty(Copy):
    away = False

    def __enter__(self) -> Self:
        try:
            return super().__enter__()
        except TargetError:
            self.away = True
            return self

    def __exit__(self, *error: object) -> None:
        pass

    def holds(self) -> Iterator[str]:
        return iter(()) if self.away else super().holds()
