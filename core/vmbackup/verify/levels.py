"""How thoroughly a file is verified: by its size, by some of its slices, or by all that it holds."""

import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from vmbackup.errors import ImageError
from vmbackup.images import Sink
from vmbackup.manifest import Level, StoredFile
from vmbackup.registry import Registry
from vmbackup.repository import Repository
from vmbackup.results import Backup
from vmbackup.slices import digest_of, expected
from vmbackup.stream import counted
from vmbackup.verify.reading import Tell, content, prove_image


@dataclass(frozen=True, slots=True)
class Depth:
    """A level and, for samples, the share of each image that is read; `chance` chooses which slices."""

    level: Level = "full"
    share: float = 1.0
    chance: random.Random = field(default_factory=random.SystemRandom)

    def estimate(self, backup: Backup) -> int:
        """Bytes that will be read, about."""
        return 0 if self.level == "quick" else math.ceil(backup.size * self.share)


@dataclass(frozen=True, slots=True)
class Job:
    """One file that is verified, and what it takes; `tell` is told of the bytes that were read.

    `sinks` are given the data of the image's disks, by their UUID in it, where it is read whole.
    """

    backup: Backup
    file: StoredFile
    repository: Repository
    registry: Registry
    depth: Depth
    tell: Tell
    sinks: Mapping[str, Sink] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Where the file lies on the target."""
        return f"{self.backup.folder}/{self.file.name}"


def prove(job: Job) -> None:
    """Verify the file. Raises ImageError where it is wrong, TargetError where it cannot be read."""
    _CHECKS[job.depth.level](job)


def _quick(job: Job) -> None:
    """It is there, and has its size."""
    stored = job.repository.target.stat(job.key)
    if stored is None:
        raise ImageError(f"{job.file.name} is missing", position=0)
    if stored.size != job.file.size:
        raise ImageError(f"{job.file.name} has {stored.size:,} bytes instead of {job.file.size:,}", position=0)


def _sample(job: Job) -> None:
    """Some slices are what was stored. Without digests of slices nothing but the whole can be proven."""
    slices = job.file.slices
    if slices is None:
        _full(job)
        return
    _quick(job)
    digests = expected(slices)
    needed = -(-job.file.size // slices.size)
    if len(digests) != needed:
        raise ImageError(f"the manifest has digests of {len(digests):,} of {needed:,} slices", position=0)
    chosen = job.depth.chance.sample(range(needed), math.ceil(needed * job.depth.share))
    for number in sorted(chosen):
        at = number * slices.size
        if digest_of(counted(job.repository.target.fetch(job.key, at, slices.size), job.tell)) != digests[number]:
            end = min(at + slices.size, job.file.size)
            raise ImageError(f"{job.file.name} is not what was stored in its bytes {at:,} to {end:,}", position=at)


def _full(job: Job) -> None:
    """All bytes are what was stored and what was backed up, and the image is as whole as when it was written."""
    image = job.backup.manifest.image
    pieces = content(job.backup, job.file, job.repository, job.registry, job.tell)
    if job.file.role != "image" or image is None:
        for _ in pieces:
            pass
        return
    prove_image(pieces, image, job.file, job.sinks)


_CHECKS: Mapping[Level, Callable[[Job], None]] = {"quick": _quick, "sample": _sample, "full": _full}
