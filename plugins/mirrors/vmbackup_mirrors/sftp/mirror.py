"""Copies by SFTP."""

from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Self

from vmbackup import ConfigError, ImageError, Mirror, Original, OriginalFile, TargetError, is_ours
from vmbackup_mirrors.layout import MANIFEST, OTHERS, POOL_DATABASE, TRASH, found
from vmbackup_mirrors.sftp.settings import SftpSettings

if TYPE_CHECKING:
    from vmbackup_mirrors.sftp.session import Session

_PARTIAL = ".vmbackup-partial"
# What a cut may have left with holes; see `stream.send`.
_UNSURE = 16 << 20


class Sftp(Mirror[SftpSettings]):
    """Copies backups by SFTP: to whatever runs an SSH server. Needs `vmbackup[sftp]`."""

    name = "sftp"
    Settings = SftpSettings

    _session: "Session"

    def __enter__(self) -> Self:
        """Begin a session; it connects when it is needed."""
        try:
            from vmbackup_mirrors.sftp.session import Session  # noqa: PLC0415 - asyncssh is an extra
        except ImportError as error:
            raise ConfigError(f"mirror {self.label}: {error}", advice="pip install 'vmbackup[sftp]'") from error
        self._session = Session(self.label, self.settings)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        """End it."""
        self._session.close()

    def holds(self) -> Iterator[str]:
        """Yield the folders with a manifest. Removals that were cut short are finished first."""
        tops = [top for top in self._session.listed([""])[""][0] if top not in OTHERS]
        groups = _below(self._session.listed(top for top in tops if top != POOL_DATABASE))
        if POOL_DATABASE in tops:
            groups.append(POOL_DATABASE)
        folders = self._session.listed(_below(self._session.listed(groups)))
        held, trashed = found(f"{folder}/{name}" for folder, (_, names) in folders.items() for name in names)
        for folder in trashed:
            self._finish_removal(folder)
        yield from held

    def copy(self, original: Original) -> None:
        """Write one file after the other under a hidden name, read it back, and give it its own."""
        for file in original.files:
            path = f"{original.folder}/{file.name}"
            size = self._session.size(path)
            if size is not None:
                if size == file.size and self._proven(path, file, original):
                    continue
                self._session.remove(path)
            above, _, name = path.rpartition("/")
            partial = f"{above}/.{name}{_PARTIAL}"
            self._session.make_folders(above)
            self._send(partial, file, original)
            self._session.rename(partial, path)

    def remove(self, folder: str) -> None:
        """Remove our files, the manifests first; a note made before lets a cut one be finished."""
        names = self._names(folder)
        manifests = sorted(name for name in names if MANIFEST.fullmatch(name))
        if manifests and TRASH not in names:
            note = self._session.read(f"{folder}/{manifests[-1]}")
            self._session.write(f"{folder}/{TRASH}", [note], 0, lambda: None)
        self._finish_removal(folder)

    def _send(self, partial: str, file: OriginalFile, original: Original) -> None:
        """Go on with what is there of a file, or begin it, until it is proven. Raises as `copy` does."""
        there = self._session.size(partial) or 0
        for offset in dict.fromkeys((max(0, min(there, file.size) - _UNSURE), 0)):
            try:
                self._session.write(partial, original.fetch(file, offset), offset, original.moved)
            except ImageError:
                self._session.remove(partial)
                raise
            if self._session.size(partial) == file.size and self._proven(partial, file, original):
                return
        self._session.remove(partial)
        raise TargetError(f"mirror {self.label}: what was read back of {file.name} is not what was sent")

    def _proven(self, path: str, file: OriginalFile, original: Original) -> bool:
        return self._session.digest(path, file.size, original.moved) == (file.size, file.sha256)

    def _finish_removal(self, folder: str) -> None:
        names = self._names(folder)
        ours = [name for name in names if is_ours(_whole(name))]
        # Manifests first, and last what says that it is not finished.
        for name in sorted(ours, key=lambda name: (name == TRASH, not MANIFEST.fullmatch(name))):
            self._session.remove(f"{folder}/{name}")
        for below in sorted({name.rpartition("/")[0] for name in ours} - {""}):
            self._session.remove_folder(f"{folder}/{below}")
        while ours and folder:
            self._session.remove_folder(folder)
            folder = folder.rpartition("/")[0]

    def _names(self, folder: str) -> list[str]:
        """Return the names of the files of a backup and of its folders."""
        folders, files = self._session.listed([folder])[folder]
        below = self._session.listed(f"{folder}/{one}" for one in folders)
        return files + [
            f"{key.removeprefix(f'{folder}/')}/{name}" for key, (_, names) in below.items() for name in names
        ]


def _whole(name: str) -> str:
    """Return the name that a file has once it is whole."""
    above, slash, last = name.rpartition("/")
    return f"{above}{slash}{last[1:].removesuffix(_PARTIAL)}" if last.endswith(_PARTIAL) else name


def _below(listed: dict[str, tuple[list[str], list[str]]]) -> list[str]:
    return [f"{folder}/{name}" for folder, (folders, _) in listed.items() for name in folders]
