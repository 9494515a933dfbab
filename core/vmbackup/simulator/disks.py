"""The disks: one sparse file for each VDI under one folder, and what each snapshot held when it was taken."""

import os
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from vmbackup.simulator import sparse

_REMEMBERED = 64  # snapshots
_REMEMBERED_BYTES = 1 << 30  # what they may take on the file system, the destroyed ones among them


@dataclass(frozen=True, slots=True)
class DiskSpec:
    """A disk to make: `size` in bytes, filled from `seed` (`fill` is the share of MiB blocks with data) or `source`.

    The rest says what its record holds. `sr` is the uuid of its repository where that is not the VM's; `on_boot` as
    `reset` forbids snapshots; of `snapshots` so many were taken of it already, so that its chain is that much longer.
    """

    size: int
    seed: int | None = None
    source: Path | None = None
    fill: float = 0.25
    name: str = ""
    sr: str = ""
    on_boot: Literal["persist", "reset"] = "persist"
    sharable: bool = False
    sm_config: Mapping[str, str] = field(default_factory=dict)
    other_config: Mapping[str, str] = field(default_factory=dict)
    tags: Sequence[str] = ()
    snapshots: int = 0


class Disks:
    """The disk files. A write by a guest and the copy of a snapshot exclude each other, as on real storage."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._lock = threading.Lock()
        self._snapshots: OrderedDict[str, tuple[int, int]] = OrderedDict()

    def path(self, uuid: str) -> Path:
        """Give the file of the VDI with this uuid."""
        return self._folder / f"{uuid}.raw"

    def make(self, uuid: str, spec: DiskSpec) -> None:
        """Make a VDI's file with the contents of its specification."""
        path = self.path(uuid)
        if spec.source is not None:
            sparse.copy_sparse(spec.source, path, spec.size)
        elif spec.seed is not None:
            sparse.fill(path, spec.size, spec.seed, spec.fill)
        else:
            with path.open("wb") as file:
                file.truncate(spec.size)

    def snapshot(self, uuid: str, copy: str, size: int) -> None:
        """Copy a disk at this instant and remember what it held, even after the copy is destroyed."""
        with self._lock:
            sparse.copy_sparse(self.path(uuid), self.path(copy), size)
            self._snapshots[copy] = (os.open(self.path(copy), os.O_RDONLY), size)
            while len(self._snapshots) > _REMEMBERED or self._remembered() > _REMEMBERED_BYTES:
                _, (oldest, _) = self._snapshots.popitem(last=False)
                os.close(oldest)

    def _remembered(self) -> int:
        return sum(os.fstat(descriptor).st_blocks * 512 for descriptor, _ in self._snapshots.values())

    def write(self, uuid: str, offset: int, data: bytes) -> None:
        """Write as a guest does."""
        with self._lock, self.path(uuid).open("r+b") as file:
            os.pwrite(file.fileno(), data, offset)

    def allocated(self, uuid: str) -> int:
        """Give the bytes that a VDI's file takes; 0 when there is none."""
        try:
            return self.path(uuid).stat().st_blocks * 512
        except FileNotFoundError:
            return 0

    def differing(self, uuid: str, other: str, size: int) -> list[int]:
        """Give the blocks of 2 MiB, up to `size` bytes, in which two disks differ. Raises FileNotFoundError."""
        with self.path(uuid).open("rb") as one, self.path(other).open("rb") as two:
            return sparse.differing(one.fileno(), two.fileno(), size)

    def occupied_blocks(self, uuid: str) -> list[int]:
        """Give the blocks of 2 MiB of a VDI that are no holes. Raises FileNotFoundError."""
        with self.path(uuid).open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            extents = list(sparse.data_extents(file.fileno(), size))
        block = sparse.VHD_BLOCK
        return sorted({one for start, end in extents for one in range(start // block, -(-end // block))})

    def link(self, uuid: str, base: str) -> None:
        """Let a base copy hold what a snapshot holds, which nobody writes to, without taking space."""
        self.path(base).hardlink_to(self.path(uuid))

    def copy(self, uuid: str, copy: str, size: int) -> None:
        """Copy a disk as it is at this instant."""
        with self._lock:
            sparse.copy_sparse(self.path(uuid), self.path(copy), size)

    def resize(self, uuid: str, size: int) -> None:
        """Give a VDI's file another size in bytes."""
        with self._lock:
            os.truncate(self.path(uuid), size)

    def keep_only(self, sizes: Mapping[str, int]) -> None:
        """Remove the files of all other VDIs, and give these the sizes (bytes by uuid)."""
        for path in self._folder.iterdir():
            size = sizes.get(path.stem)
            if size is None:
                path.unlink()
            elif path.stat().st_size != size:
                os.truncate(path, size)

    def destroy(self, uuid: str) -> None:
        """Remove a VDI's file."""
        self.path(uuid).unlink(missing_ok=True)

    def digest(self, uuid: str) -> str:
        """Give the SHA-256 of a disk: of a snapshot what it held when it was taken, else what the disk holds now.

        The last snapshots (64, and 1 GiB of data) are remembered after they are destroyed. Raises FileNotFoundError
        for others.
        """
        with self._held(uuid) as (descriptor, size):
            return sparse.digest(descriptor, size)

    def fingerprint(self, uuid: str) -> str:
        """Give what tells the contents of a disk from others; as for `digest`, but holes take no time."""
        with self._held(uuid) as (descriptor, size):
            return sparse.fingerprint(descriptor, size)

    def same(self, uuid: str, other: str) -> bool:
        """Say whether two disks have one size and every byte in common; each as for `digest`."""
        with self._held(uuid) as (one, size), self._held(other) as (two, other_size):
            return size == other_size and sparse.same(one, two, size)

    @contextmanager
    def _held(self, uuid: str) -> Iterator[tuple[int, int]]:
        with self._lock:
            kept = self._snapshots.get(uuid)
            descriptor = os.dup(kept[0]) if kept else os.open(self.path(uuid), os.O_RDONLY)
        try:
            yield descriptor, kept[1] if kept else os.fstat(descriptor).st_size
        finally:
            os.close(descriptor)

    def close(self) -> None:
        """Forget the snapshots that are gone."""
        with self._lock:
            while self._snapshots:
                _, (descriptor, _) = self._snapshots.popitem()
                os.close(descriptor)
