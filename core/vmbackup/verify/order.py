"""Whose turn it is, and how long a call may take: both from the kept results and the clock alone, no other state."""

import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from vmbackup.errors import TimeUp
from vmbackup.manifest import LEVELS, Level
from vmbackup.results import Backup

_NEVER = datetime.min.replace(tzinfo=UTC)


def in_turn(backups: Iterable[Backup], level: Level) -> list[Backup]:
    """Return the backups so that the one comes first that was looked at so thoroughly longest ago, or never."""
    rank = LEVELS.index(level)

    def looked_at(backup: Backup) -> tuple[datetime, datetime, str]:
        moments = (one.moment for one in backup.verified if LEVELS.index(one.level) >= rank)
        return max(moments, default=_NEVER), backup.manifest.snapshot_time, backup.address

    return sorted(backups, key=looked_at)


class Clock:
    """The time that a call has, in seconds; None is all the time in the world."""

    def __init__(self, seconds: float | None, now: Callable[[], float] = time.monotonic) -> None:
        """It runs from now on."""
        self._now = now
        self._end = None if seconds is None else now() + seconds

    @property
    def up(self) -> bool:
        """Whether the time is up."""
        return self._end is not None and self._now() >= self._end

    def check(self) -> None:
        """Raise TimeUp once the time is up."""
        if self.up:
            raise TimeUp("the time that --max-duration gives is up")
