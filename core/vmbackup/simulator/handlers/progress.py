"""The progress of a stream, written to its task now and then; a cancellation is noticed at the same moments."""

import math
import time

from vmbackup.simulator import tasks
from vmbackup.simulator.pool import Pool
from vmbackup.simulator.sparse import MIB


class Progress:
    """Counts bytes; whole MiB dealt with over whole MiB in all, which is 0/0 when all disks are small."""

    def __init__(self, pool: Pool, task: str, total: int) -> None:
        self._pool = pool
        self._task = task
        self._total = total // MIB
        self._done = 0
        self._due = 0.0

    def step(self, count: int) -> None:
        """Count bytes, and write the progress if it is time. Raises XapiError `TASK_CANCELLED`."""
        self._done += count
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + self._pool.settings.progress_seconds
            share = self._done / MIB / self._total if self._total else math.nan
            tasks.advance(self._pool, self._task, share)
