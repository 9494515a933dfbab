"""Copies by rclone, to whatever it reaches."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Self

from vmbackup import Mirror, Original, OriginalFile, TargetError, is_ours
from vmbackup_mirrors.layout import MANIFEST, POOL_DATABASE, TRASH, found
from vmbackup_mirrors.program import Ended, Program, find
from vmbackup_mirrors.rclone.settings import RcloneSettings
from vmbackup_mirrors.rclone.trouble import NO_FILE, NO_FOLDER, failed
from vmbackup_mirrors.staging import Stage, batches

_INSTALL = "apt-get install rclone, or see https://rclone.org/downloads"
# A manifest's name until it is proven: many back ends show a file while it is being written.
_UNFINISHED = ".vmbackup-unfinished"
# What rclone keeps in memory before it sends it (--streaming-upload-cutoff).
_SMALL = 100 << 10


def _nothing() -> None:
    pass


class Rclone(Mirror[RcloneSettings]):
    """Copies backups by rclone, to any of the places that it reaches."""

    name = "rclone"
    Settings = RcloneSettings

    _program: str
    _stage: Stage

    def __enter__(self) -> Self:
        """Find the program, and make a place for what is sent together."""
        self._program = find("rclone", _INSTALL)
        self._stage = Stage(self.label, None).__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        """Remove that place."""
        self._stage.__exit__(kind, error, trace)

    def holds(self) -> Iterator[str]:
        """Yield the folders with a manifest, listed by one call. Removals that were cut short are finished first."""
        patterns = [
            f"--include=/{folder}/{name}"
            for folder in (f"{POOL_DATABASE}/*", "*/*/*")
            for name in ("manifest.json", "manifest.[0-9]*.json", TRASH)
        ]
        ended = self._rclone(["lsf", "--recursive", "--files-only", "--fast-list", *patterns], "", "listing")
        held, trashed = found(ended.out.splitlines())
        for folder in trashed:
            self._finish_removal(folder)
        yield from held

    def copy(self, original: Original) -> None:
        """Send the small files together, large ones each alone, the manifest last, and read all back."""
        names = set(self._names(original.folder))
        there = self._digests(original.folder, [file.name for file in original.files if file.name in names], original)
        missing = [file for file in original.files if there.get(file.name) != file.sha256]
        for batch in batches(missing):
            manifest = MANIFEST.fullmatch(batch[0].name)
            if manifest or len(batch) == 1:
                self._send_alone(original, batch[0], f"{batch[0].name}{_UNFINISHED if manifest else ''}")
            else:
                self._send_together(original, batch)

    def remove(self, folder: str) -> None:
        """Remove our files, the manifests first; a note made before lets a cut one be finished."""
        names = self._names(folder)
        manifests = sorted(name for name in names if MANIFEST.fullmatch(name))
        if manifests and TRASH not in names:
            key = f"{folder}/{manifests[-1]}"
            note = self._rclone(["cat"], key, f"reading {key}").out.encode()
            self._send(f"{folder}/{TRASH}", [note], len(note), _nothing)
        self._finish_removal(folder)

    def _finish_removal(self, folder: str) -> None:
        names = self._names(folder)
        ours = [name for name in names if is_ours(name.removesuffix(_UNFINISHED))]
        # Manifests first, and last what says that it is not finished.
        ours.sort(key=lambda name: (name == TRASH, not MANIFEST.fullmatch(name)))
        self._delete(f"{folder}/{name}" for name in ours)
        if ours:
            parts = folder.split("/")
            above = ["/".join(parts[:depth]) for depth in range(len(parts), 0, -1)]
            below = {f"{folder}/{name.rpartition('/')[0]}" for name in ours if "/" in name}
            for empty in (*sorted(below), *above):
                # One that is not empty stays, and rclone's word for that differs between its back ends.
                self._begin(["rmdir"], empty, _nothing)

    def _names(self, folder: str) -> list[str]:
        """Return the names of all files of a backup, also those in its folders; nothing if it is not there."""
        ended = self._begin(["lsf", "--recursive", "--files-only"], folder, _nothing)
        if ended.code not in {0, NO_FOLDER}:
            raise failed(self.label, f"listing {folder}", ended)
        return ended.out.splitlines() if ended.code == 0 else []

    def _send_together(self, original: Original, files: Sequence[OriginalFile]) -> None:
        folder = original.folder
        root = self._stage.fill(original, files)
        words = ["copy", "--ignore-times", "--copy-links", "--no-traverse", str(root / folder)]
        self._rclone(words, folder, f"sending {folder}", original.moved)
        self._require({file.name: file for file in files}, original)

    def _send_alone(self, original: Original, file: OriginalFile, name: str) -> None:
        """Send it under a name, and when it has proven to be there give it its own."""
        key = f"{original.folder}/{file.name}"
        self._send(f"{original.folder}/{name}", original.fetch(file), file.size, original.moved)
        self._require({name: file}, original)
        if name != file.name:
            unfinished = self.settings.below(f"{original.folder}/{name}")
            self._rclone(["moveto", unfinished], key, f"naming {key}", original.moved)

    def _send(self, key: str, chunks: Iterable[bytes], size: int, moved: Callable[[], None]) -> None:
        # Without a size, some back ends need a temporary file for what is large; with one, what is small or empty is
        # sent in a way that not every server takes.
        words = ["rcat", f"--size={size}"] if size > _SMALL else ["rcat"]
        ended = self._begin(words, key, moved, chunks)
        if ended.code:
            raise failed(self.label, f"sending {key}", ended)

    def _require(self, files: Mapping[str, OriginalFile], original: Original) -> None:
        """Raise TargetError unless these names hold these files; one that does not is removed."""
        found = self._digests(original.folder, list(files), original)
        for name, file in files.items():
            if found.get(name) != file.sha256:
                self._delete([f"{original.folder}/{name}"])
                raise TargetError(f"mirror {self.label}: what was read back of {file.name} is not what was sent")

    def _digests(self, folder: str, names: Sequence[str], original: Original) -> dict[str, str]:
        """Have files read as a whole: what a back end says of its digests proves nothing."""
        if not names:
            return {}
        listed = "".join(f"{name}\n" for name in names).encode()
        words = ["hashsum", "sha256", "--download", "--files-from-raw=-"]
        ended = self._begin(words, folder, original.moved, [listed])
        if ended.code:
            raise failed(self.label, f"reading {folder}", ended)
        lines = (line.split(maxsplit=1) for line in ended.out.splitlines())
        return {name: digest for digest, name in lines}

    def _delete(self, keys: Iterable[str]) -> None:
        # One after the other: `rclone delete` with a list of names looks through all that lies beside them.
        for key in keys:
            ended = self._begin(["deletefile"], key, _nothing)
            if ended.code not in {0, NO_FOLDER, NO_FILE}:
                raise failed(self.label, f"removing {key}", ended)

    def _rclone(self, words: Sequence[str], key: str, doing: str, moved: Callable[[], None] = _nothing) -> Ended:
        ended = self._begin(words, key, moved)
        if ended.code:
            raise failed(self.label, doing, ended)
        return ended

    def _begin(
        self, words: Sequence[str], key: str, moved: Callable[[], None], chunks: Iterable[bytes] | None = None
    ) -> Ended:
        """Run one command on what lies under `key`; `chunks` go to its input."""
        settings = self.settings
        # Trying again is not a mirror's business.
        usual = ["--retries=1", "--low-level-retries=3", "--ask-password=false", "--log-level=ERROR", "--stats=0"]
        usual += [f"--timeout={settings.timeout}s", f"--contimeout={settings.timeout}s"]
        if settings.config:
            usual.append(f"--config={settings.config}")
        environment = {"RCLONE_CONFIG_PASS": settings.config_password.reveal()} if settings.config_password else {}
        command = [self._program, *usual, *words, settings.below(key)]
        with Program(command, environment, fed=chunks is not None) as program:
            if chunks is not None:
                program.feed(chunks)
            return program.wait(moved)
