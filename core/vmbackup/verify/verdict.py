"""What a verification of one backup finds."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from vmbackup.errors import ImageError, KeyMissing, PluginError, TargetError, TimeUp
from vmbackup.images import Sink
from vmbackup.registry import Registry
from vmbackup.repository import Broken, Repository
from vmbackup.results import Backup
from vmbackup.verify.levels import Depth, Job, prove
from vmbackup.verify.reading import Tell

Word = Literal["good", "wrong", "unread", "unfinished", "gone"]


@dataclass(frozen=True, slots=True)
class Wrong:
    """One thing that is wrong with a stored backup. `unread` tells a file that could not be read from a wrong one."""

    file: str
    message: str
    unread: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a verification found; `read` is in bytes, `seconds` what it took.

    `unfinished` says that the time was up first, `gone` that the backup was removed or replaced under way.
    """

    backup: Backup
    wrong: tuple[Wrong, ...]
    read: int
    depth: Depth
    seconds: float = 0.0
    unfinished: bool = False
    gone: bool = False

    @property
    def word(self) -> Word:
        """What came of it: what is wrong counts before what could not be read."""
        if self.gone:
            return "gone"
        if any(not wrong.unread for wrong in self.wrong):
            return "wrong"
        if self.wrong:
            return "unread"
        return "unfinished" if self.unfinished else "good"

    @property
    def good(self) -> bool:
        """Whether the backup is what its manifest says, as far as was looked."""
        return self.word == "good"


def verify(
    backup: Backup,
    repository: Repository,
    registry: Registry,
    tell: Tell = lambda _: None,
    depth: Depth | None = None,
    *,
    sinks: Mapping[str, Sink] | None = None,
) -> Verdict:
    """Read a backup and check it against its manifest, whole unless `depth` says otherwise.

    `tell` is told of the bytes that were read, by whichever thread reads them; the TimeUp that it may raise ends it.
    `sinks` are given the data of the image's disks, by their UUID in it, which counts only if the verdict is good.
    """
    depth = depth or Depth()
    wrong: list[Wrong] = []
    read, unfinished, started = 0, False, time.monotonic()

    def count(size: int) -> None:
        nonlocal read
        read += size
        tell(size)

    for file in backup.manifest.files:
        try:
            prove(Job(backup, file, repository, registry, depth, count, sinks or {}))
        except KeyMissing:
            wrong.append(Wrong(file.name, f"{file.name} is missing"))
        except ImageError as error:
            wrong.append(Wrong(file.name, error.message))
        except (TargetError, PluginError) as error:
            wrong.append(Wrong(file.name, error.message, unread=True))
        except TimeUp:
            unfinished = True
            break
    gone = bool(wrong) and _gone(backup, repository)
    return Verdict(backup, tuple(wrong), read, depth, time.monotonic() - started, unfinished, gone)


def _gone(backup: Backup, repository: Repository) -> bool:
    """Whether the backup is no longer there to be right or wrong: retention may go by at any time."""
    try:
        found = list(repository.look(backup.folder))
    except TargetError:
        return False
    kept = [one.manifest.generation for one in found if isinstance(one, Backup)]
    return backup.manifest.generation not in kept and not any(isinstance(one, Broken) for one in found)
