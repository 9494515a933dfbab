"""Files of a backup as another program finds them: links to where they lie, or copies for as long as they are sent."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from vmbackup import Original, OriginalFile, TargetError
from vmbackup_mirrors.layout import MANIFEST

# What is smaller goes together: each call of a program costs a connection.
TOGETHER = 8 << 20


def batches(files: Iterable[OriginalFile]) -> Iterator[list[OriginalFile]]:
    """Yield the files in their order: small ones together, large ones and manifests each alone."""
    batch: list[OriginalFile] = []
    for file in files:
        alone = file.size > TOGETHER or MANIFEST.fullmatch(file.name) is not None
        if batch and (alone or sum(one.size for one in batch) + file.size > TOGETHER):
            yield batch
            batch = []
        batch.append(file)
        if alone:
            yield batch
            batch = []
    if batch:
        yield batch


class Stage:
    """A temporary folder. What a dead process has left of one goes when the next begins."""

    def __init__(self, label: str, spool: Path | None) -> None:
        """`spool` is the folder for the temporary folder; the machine's own where it is None."""
        self._above = spool or Path(tempfile.gettempdir())
        self._prefix = f"vmbackup-mirror-{label}-"

    def __enter__(self) -> Self:
        """Make it, and hold it by a lock, by which the living are told from the dead."""
        try:
            self._sweep()
            self._folder = Path(tempfile.mkdtemp(prefix=self._prefix, dir=self._above))
            self._lock = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise _no_room(error) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        """Remove it with all that is in it."""
        shutil.rmtree(self._folder, ignore_errors=True)
        os.close(self._lock)

    def fill(self, original: Original, files: Iterable[OriginalFile]) -> Path:
        """Return a folder in which these files lie under their keys, and nothing else. What was in it is gone.

        Raises what reading the original raises, and TargetError where there is no room.
        """
        root = self._emptied()
        for file in files:
            place = root / original.folder / file.name
            found = original.path(file)
            try:
                place.parent.mkdir(parents=True, exist_ok=True)
                if found is not None:
                    place.symlink_to(found.absolute())
                    continue
                spooled = place.open("xb")
            except OSError as error:
                raise _no_room(error) from error
            with spooled:
                # The source is asked outside of the explanation: its errors are not of the spool.
                for piece in original.fetch(file):
                    try:
                        spooled.write(piece)
                    except OSError as error:
                        raise _no_room(error) from error
        return root

    def empty(self) -> Path:
        """Return a folder in which nothing lies."""
        return self._emptied()

    def _emptied(self) -> Path:
        root = self._folder / "root"
        shutil.rmtree(root, ignore_errors=True)
        try:
            root.mkdir()
        except OSError as error:
            raise _no_room(error) from error
        return root

    def _sweep(self) -> None:
        for path in self._above.glob(f"{self._prefix}*"):
            if path.is_symlink() or not path.is_dir() or path.stat().st_uid != os.geteuid():
                continue
            lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            else:
                shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(lock)


def _no_room(error: OSError) -> TargetError:
    return TargetError(
        f"a file cannot be spooled: {error.strerror} ({error.filename or 'the temporary folder'})",
        advice="Name with `spool` a folder with room for the largest image.",
    )
