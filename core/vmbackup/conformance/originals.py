"""Backups that are made up for a mirror to copy, with files of every kind that a backup may have."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Literal

from vmbackup.conformance.content import MIB, noise
from vmbackup.contracts import OriginalFile
from vmbackup.manifest import BEGUN, MANIFEST, Begun, Manifest, PoolFact, StoredFile, VMFact, generation_name

GROUP = "pool--0d6bb5a4/web-01--7d2e4f3a"
PIECE = 256 << 10
UUID = "7d2e4f3a-9c1b-4a1b-8c3d-4e5f60718293"
MOMENT = datetime(2026, 3, 14, 22, 0, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Failing:
    """A file that cannot be read to its end, and what is raised in the middle of it."""

    name: str
    error: Exception


class MadeOriginal:
    """A backup in memory, or in files below `paths`; see `contracts.Original`. `beats` are moments, in seconds."""

    def __init__(
        self,
        folder: str,
        contents: Mapping[str, bytes],
        *,
        generation: int = 1,
        paths: Path | None = None,
        failing: Failing | None = None,
    ) -> None:
        """`contents` are the files between the first and the manifest, in their order; `paths` an empty folder."""
        self.folder = folder
        self.beats: list[float] = []
        self._paths = paths
        self._failing = failing
        begun = Begun(installation=UUID, run_id="3f9ac0de", host="host", boot_id=UUID, started=MOMENT)
        manifest = _manifest(contents, generation)
        self.contents = {
            BEGUN: begun.model_dump_json(indent=1).encode(),
            **contents,
            generation_name(MANIFEST, generation): manifest.model_dump_json(indent=1).encode(),
        }
        self.files = tuple(
            OriginalFile(name, len(data), sha256(data).hexdigest()) for name, data in self.contents.items()
        )

    def fetch(self, file: OriginalFile, offset: int = 0) -> Iterator[bytes]:
        """Yield it in pieces."""
        data = memoryview(self.contents[file.name])
        fails = self._failing if self._failing and self._failing.name == file.name else None
        end = len(data) // 2 if fails else len(data)
        for start in range(offset, end, PIECE):
            self.moved()
            yield bytes(data[start : min(start + PIECE, end)])
        if fails:
            raise fails.error

    def path(self, file: OriginalFile) -> Path | None:
        """Write it where it can be found."""
        if self._paths is None:
            return None
        path = self._paths / file.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"".join(self.fetch(file)))
        return path

    def moved(self) -> None:
        """Note the moment."""
        self.beats.append(time.monotonic())


def folder(number: int, group: str = GROUP) -> str:
    """Return the folder of a backup, another one for each number."""
    return f"{group}/20260314T22{number:02}00Z-3f9a"


def contents(generation: int = 1, seed: str = "") -> dict[str, bytes]:
    """Return the files of a small backup, of every kind that there is."""
    return {
        "image.xva.zst" if generation > 1 else "image.xva": noise(3 * MIB + 4711, seed),
        "disk-0.raw": bytes(MIB) + noise(4711, seed) + bytes(MIB),
        "ova.xml": noise(70_000, seed),
        "vm.cfg": b"",
        "DISK-xvda/vbd.cfg": noise(300, f"{seed}vbd"),
        "DISK-xvda/vdi.cfg": noise(300, f"{seed}vdi"),
        "VIFs/vif-0.cfg": noise(1, seed),
        generation_name("RESTORE.txt", generation): noise(4000, seed),
        "SHA256SUMS" if generation == 1 else f"SHA256SUMS.{generation}": noise(700, seed),
    }


def original(number: int = 0, *, paths: Path | None = None, failing: Failing | None = None) -> MadeOriginal:
    """Return a small backup, another one for each number."""
    return MadeOriginal(folder(number), contents(seed=str(number)), paths=paths, failing=failing)


def _manifest(contents: Mapping[str, bytes], generation: int) -> Manifest:
    digests = {name: sha256(data).hexdigest() for name, data in contents.items()}
    return Manifest(
        generation=generation,
        run_id="3f9ac0de",
        installation=UUID,
        written_by="a promise",
        job="weekend",
        method="vm-export",
        pool=PoolFact(uuid=UUID, name="pool", product="XenServer", version="8"),
        vm=VMFact(uuid=UUID, name="web 01", power_state="Running"),
        image=None,
        started=MOMENT,
        snapshot_time=MOMENT,
        finished=MOMENT,
        files=tuple(
            StoredFile(
                role=_role(name),
                name=name,
                size=len(data),
                sha256=digests[name],
                content_digest=f"sha256:{digests[name]}",
                content_size=len(data),
            )
            for name, data in contents.items()
        ),
    )


def _role(name: str) -> Literal["image", "metadata", "guide"]:
    if name.startswith(("image", "disk-")):
        return "image"
    return "guide" if name.startswith(("RESTORE", "SHA256SUMS")) else "metadata"
