"""Copies by rsync, over ssh or to a daemon."""

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from vmbackup import Mirror, Original, is_ours
from vmbackup_mirrors.layout import MANIFEST, POOL_DATABASE, TRASH, found
from vmbackup_mirrors.program import Ended, Program, find
from vmbackup_mirrors.rsync import words
from vmbackup_mirrors.rsync.settings import RsyncSettings
from vmbackup_mirrors.rsync.trouble import failed
from vmbackup_mirrors.staging import Stage, batches

_INSTALL = "apt-get install rsync"
_LINE = re.compile(r"(?P<kind>[-dl])\S+ +[0-9]+ [0-9/]{10} [0-9:]{8} (?P<key>.+)")
# A manifest that was being written when the other side was killed: rsync's name for a file until it is whole.
_UNFINISHED = re.compile(r"\.manifest(\.[0-9]+)?\.json\.[A-Za-z0-9]{6}")


def _nothing() -> None:
    pass


class Rsync(Mirror[RsyncSettings]):
    """Copies backups by rsync: to a host with ssh, or to a daemon."""

    name = "rsync"
    Settings = RsyncSettings

    _program: str
    _stage: Stage
    _unfinished: Sequence[str] = ()

    def __enter__(self) -> Self:
        """Find the program, and make a place for what is sent."""
        self._program = find("rsync", _INSTALL)
        if not self.settings.address.daemon:
            find("ssh", "apt-get install openssh-client")
        self._stage = Stage(self.label, self.settings.spool).__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        """Remove that place."""
        self._stage.__exit__(kind, error, trace)

    def holds(self) -> Iterator[str]:
        """Yield the folders with a manifest, listed by one call. Removals that were cut short are finished first."""
        folders = [f"{POOL_DATABASE}/*", "*/*/*"]
        names = ["manifest.json", "manifest.[0-9]*.json", ".manifest*.json.*", TRASH]
        keys = self._list(folders, names, "listing what is there")
        self._unfinished = [key for key in keys if _UNFINISHED.fullmatch(key.rpartition("/")[2])]
        held, trashed = found(keys)
        for folder in trashed:
            self._finish_removal(folder, self._names(folder))
        yield from held

    def copy(self, original: Original) -> None:
        """Send the small files together, large ones each alone, and the manifest in a call of its own."""
        above = f"{original.folder}/"
        self._delete(original.folder, [key.removeprefix(above) for key in self._unfinished if key.startswith(above)])
        for batch in batches(original.files):
            at_once = MANIFEST.fullmatch(batch[0].name) is not None
            root = self._stage.fill(original, batch)
            self._send(root, original.folder, original.moved, at_once=at_once)

    def remove(self, folder: str) -> None:
        """Remove our files by name, the manifests first; a note made before lets a cut one be finished."""
        names = self._names(folder)
        manifests = [name for name in names if MANIFEST.fullmatch(name)]
        if manifests and TRASH not in names:
            root = self._stage.empty()
            note = root / folder / TRASH
            note.parent.mkdir(parents=True)
            source = f"{self.settings.address.below(folder)}{manifests[-1]}"
            self._rsync([source, str(note)], f"reading {folder}/{manifests[-1]}")
            self._send(root, folder, _nothing, at_once=True)
        self._finish_removal(folder, names)

    def _finish_removal(self, folder: str, names: Sequence[str]) -> None:
        self._delete(folder, [name for name in names if MANIFEST.fullmatch(name)])
        ours = [name for name in names if is_ours(name) or _UNFINISHED.fullmatch(name)]
        self._delete(folder, [name for name in ours if name != TRASH])
        if ours:
            self._delete(folder, [TRASH])

    def _names(self, folder: str) -> list[str]:
        """Return the names of all files of a backup, also those in its folders; nothing if it is not there."""
        keys = self._list([folder], ["**"], f"listing {folder}")
        return [key.removeprefix(f"{folder}/") for key in keys]

    def _list(self, folders: Sequence[str], names: Sequence[str], doing: str) -> list[str]:
        ended = self._rsync([*words.listing(folders, names), "--", self.settings.address.below()], doing)
        lines = (_LINE.fullmatch(line) for line in ended.out.splitlines())
        return [line["key"] for line in lines if line and line["kind"] == "-"]

    def _send(self, root: Path, folder: str, moved: Callable[[], None], *, at_once: bool) -> None:
        options = words.sending(at_once=at_once, flush=self.settings.flush)
        self._rsync([*options, "--", f"{root}/./{folder}/", self.settings.address.below()], f"sending {folder}", moved)

    def _delete(self, folder: str, names: Sequence[str]) -> None:
        if names:
            keys = [f"{folder}/{name}" for name in names]
            source = f"{self._stage.empty()}/"
            self._rsync([*words.removing(keys), "--", source, self.settings.address.below()], f"removing {folder}")

    def _rsync(self, arguments: Sequence[str], doing: str, moved: Callable[[], None] = _nothing) -> Ended:
        settings = self.settings
        environment = {"RSYNC_PASSWORD": settings.password.reveal()} if settings.password else {}
        with Program([self._program, *words.connecting(settings), *arguments], environment) as program:
            ended = program.wait(moved)
        if ended.code:
            raise failed(self.label, doing, ended)
        return ended
