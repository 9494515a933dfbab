"""Copies to another target of the configuration, whatever kind it is of."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from types import TracebackType
from typing import Self, TypeAlias

from pydantic import Field

from vmbackup import Leftover, Manifest, Mirror, Original, Settings, Target, TargetError, TargetOpener
from vmbackup_mirrors.layout import BEGUN, MANIFEST, OTHERS, POOL_DATABASE, TRASH

AnyTarget: TypeAlias = Target[Settings]
# A file that another copy, from elsewhere, is writing has grown in the last day.
_STALE = timedelta(days=1)


class CopySettings(Settings):
    """Where to."""

    target: str = Field(description="the label of a target that no job stores to, set up by `vmbackup target init`")


class Copy(Mirror[CopySettings]):
    """Copies backups to another target: from NFS to SMB, say, or to a stranger's.

    What lies there is an ordinary repository: backups can be listed, verified and restored from it.
    """

    name = "copy"
    Settings = CopySettings

    _opened: TargetOpener
    _open: AbstractContextManager[AnyTarget]
    _target: AnyTarget
    _unfinished: list[Leftover] | None

    def meet(self, opened: TargetOpener) -> None:
        """Remember how targets are reached."""
        self._opened = opened

    def __enter__(self) -> Self:
        """Enter and prove the other target."""
        self._open = self._opened(self.settings.target)
        self._target = self._open.__enter__()
        self._unfinished = None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        """Leave it."""
        self._open.__exit__(kind, error, trace)

    def holds(self) -> Iterator[str]:
        """Yield the folders with a manifest. Removals that were cut short are finished first."""
        for top in self._folders(""):
            if top in OTHERS:
                continue
            for group in [top] if top == POOL_DATABASE else self._folders(top):
                for folder in self._folders(group):
                    names = {entry.key.rpartition("/")[2] for entry in self._target.entries(folder)}
                    if TRASH in names:
                        self._finish_removal(folder)
                    elif any(map(MANIFEST.fullmatch, names)):
                        yield folder

    def copy(self, original: Original) -> None:
        """Copy one file after the other, each read back before the next."""
        self._discard_unfinished(original.folder)
        for file in original.files:
            key = f"{original.folder}/{file.name}"
            if self._target.stat(key) is not None:
                if self._digest(key, original) == file.sha256:
                    continue
                self._target.delete(key)
            self._target.store(key, original.fetch(file))
            if self._digest(key, original) != file.sha256:
                self._target.delete(key)
                raise TargetError(f"{key}: what was read back from {self._target.label} is not what was sent there")

    def remove(self, folder: str) -> None:
        """Remove the files that its manifests name, and the manifests before them."""
        # By their lengths first: `manifest.json` is the oldest of them.
        manifests = sorted(
            (name for name in self._names(folder) if MANIFEST.fullmatch(name)), key=lambda name: (len(name), name)
        )
        if manifests:
            data = b"".join(self._target.fetch(f"{folder}/{manifests[-1]}"))
            if self._target.stat(f"{folder}/{TRASH}") is None:
                # So that a removal that is cut short here can be finished: it names all files.
                self._target.store(f"{folder}/{TRASH}", [data])
            for name in manifests:
                self._target.delete(f"{folder}/{name}")
        self._finish_removal(folder)

    def _discard_unfinished(self, folder: str) -> None:
        """Remove what copies that died in mid-file have left, of this backup or long ago.

        Raises TargetError where its writer lives.
        """
        if self._unfinished is None:
            self._unfinished = list(self._target.leftovers())
        for leftover in list(self._unfinished):
            if leftover.key.startswith(f"{folder}/") or datetime.now(UTC) - leftover.modified > _STALE:
                self._target.discard(leftover)
                self._unfinished.remove(leftover)

    def _finish_removal(self, folder: str) -> None:
        trash = f"{folder}/{TRASH}"
        if self._target.stat(trash) is None:
            return
        manifest = Manifest.model_validate_json(b"".join(self._target.fetch(trash)))
        manifests = [name for name in self._names(folder) if MANIFEST.fullmatch(name)]
        for name in (*manifests, *(file.name for file in manifest.files), BEGUN, TRASH):
            self._target.delete(f"{folder}/{name}")

    def _digest(self, key: str, original: Original) -> str:
        digest = sha256()
        for piece in self._target.fetch(key):
            digest.update(piece)
            original.moved()
        return digest.hexdigest()

    def _folders(self, prefix: str) -> list[str]:
        return [entry.key for entry in self._target.entries(prefix) if entry.size is None]

    def _names(self, folder: str) -> list[str]:
        return [entry.key.rpartition("/")[2] for entry in self._target.entries(folder)]
