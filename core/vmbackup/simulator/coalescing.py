"""The storage's garbage collector: it merges what snapshots left behind, some time after (sm: cleanup.py)."""

import threading
from collections.abc import Callable

from vmbackup.simulator import chains, provisioning
from vmbackup.simulator.database import Database
from vmbackup.simulator.disks import Disks


class Coalescer:
    """Coalesces `seconds` after it was woken: at once when that is 0, never of itself when it is None."""

    def __init__(self, db: Database, disks: Disks, seconds: float | None) -> None:
        self._db = db
        self._disks = disks
        self._seconds = seconds
        self._planned = threading.Event()

    def wake(self, start: Callable[[Callable[[], None], str], None], stopping: threading.Event) -> None:
        """Tell it that there may be something to do; `start` runs work in a thread of its own."""
        if self._seconds is None:
            return
        if self._seconds <= 0:
            self.run()
        elif not self._planned.is_set():
            self._planned.set()
            start(lambda: self._later(self._seconds or 0, stopping), "coalescing")

    def _later(self, seconds: float, stopping: threading.Event) -> None:
        stopped = stopping.wait(seconds)
        self._planned.clear()
        if not stopped:
            self.run()

    def run(self) -> int:
        """Coalesce all that can be; gives the number of base copies that are gone."""
        db = self._db
        with db.change():
            gone = chains.merged(db)
            for child in {child for _, child in gone if child is not None and db.has("VDI", child)}:
                used = provisioning.occupied(db, self._disks, db.get("VDI", child))
                db.set("VDI", child, physical_utilisation=used)
            for repository in {record["SR"] for record, _ in gone}:
                provisioning.account(db, repository)
        for record, _ in gone:
            self._disks.destroy(record["uuid"])
        return len(gone)
