"""A stored backup as mirrors see it: its files in their order, read with proof."""

from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

from vmbackup.contracts import OriginalFile
from vmbackup.errors import ImageError
from vmbackup.manifest import BEGUN, MANIFEST, generation_name
from vmbackup.repository import Repository
from vmbackup.results import Backup


class StoredOriginal:
    """A backup on a target that is entered and proven; see `contracts.Original`."""

    def __init__(self, backup: Backup, repository: Repository, beat: Callable[[], None] = lambda: None) -> None:
        """`beat` is told whenever something moves. Raises TargetError where the small files cannot be read.

        `unread` says whether what failed since was the reading here, so that the same from another target may do.
        """
        self.unread = False
        self.folder = backup.folder
        self._target = repository.target
        self._beat = beat
        manifest = generation_name(MANIFEST, backup.manifest.generation)
        stored = (OriginalFile(file.name, file.size, file.sha256) for file in backup.manifest.files)
        # No manifest has the digests of these two; what is read now is what is copied.
        ends = {name: repository.fetch_small(f"{backup.folder}/{name}") for name in (BEGUN, manifest)}
        first, last = (OriginalFile(name, len(data), sha256(data).hexdigest()) for name, data in ends.items())
        self.files = (first, *stored, last)

    @property
    def size(self) -> int:
        """What all files take, in bytes."""
        return sum(file.size for file in self.files)

    def fetch(self, file: OriginalFile, offset: int = 0) -> Iterator[bytes]:
        """Yield the bytes, and prove them if they are all of the file's."""
        self.unread = True
        digest, size = sha256(), offset
        for piece in self._target.fetch(f"{self.folder}/{file.name}", offset):
            digest.update(piece)
            size += len(piece)
            self._beat()
            self.unread = False
            yield piece
            self.unread = True
        if size != file.size:
            raise ImageError(f"{file.name} has {size:,} bytes instead of {file.size:,}", position=size)
        if offset == 0 and digest.hexdigest() != file.sha256:
            raise ImageError(f"{file.name} is not what was stored: its SHA-256 has changed", position=size)
        self.unread = False

    def path(self, file: OriginalFile) -> Path | None:
        """Return the file's path, having read it once to prove it."""
        found = self._target.local_path(f"{self.folder}/{file.name}")
        if found is not None:
            for _ in self.fetch(file):
                pass
        return found

    def moved(self) -> None:
        """Pass it on."""
        self._beat()
