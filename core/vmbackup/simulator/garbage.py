"""The garbage collection of the database, every 30 seconds (db_gc_util.ml): sessions and tasks that are over."""

from vmbackup.simulator import tasks
from vmbackup.simulator.clock import parse
from vmbackup.simulator.pool import Pool

PASS_SECONDS = 30.0
_COMPLETED_SECONDS = 65 * 60.0
_PENDING_SECONDS = 24 * 3600.0
_MOST_COMPLETED = 200


class Collector:
    """Removes what is over: one pass a call. Between passes it remembers how far old pending tasks had come."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._probation: dict[str, float] = {}

    def collect(self) -> None:
        """Make one pass."""
        with self._pool.db.change():
            self._tasks()
            self._pool.sessions.collect()

    def run(self) -> None:
        """Make a pass every 30 seconds until the pool stops."""
        while not self._pool.stopping.wait(PASS_SECONDS):
            self.collect()

    def _tasks(self) -> None:
        now = self._pool.clock.seconds()
        table = self._pool.db.table("task")
        completed = [ref for ref, task in table.items() if task["status"] != "pending"]
        old = [ref for ref in completed if parse(table[ref]["finished"]) < now - _COMPLETED_SECONDS]
        young = sorted((ref for ref in completed if ref not in old), key=lambda ref: table[ref]["finished"])
        for ref in [*old, *young[: max(0, len(young) - _MOST_COMPLETED)], *self._hung(now)]:
            tasks.remove(self._pool, ref)

    def _hung(self, now: float) -> list[str]:
        """Give the tasks that are pending for more than 24 hours and have come no further since the last pass."""
        before = self._probation
        self._probation = {
            ref: task["progress"]
            for ref, task in self._pool.db.table("task").items()
            if task["status"] == "pending" and parse(task["created"]) < now - _PENDING_SECONDS
        }
        return [ref for ref, progress in self._probation.items() if ref in before and not progress > before[ref]]
