"""The guests: they go on writing to the disks of running VMs while backups are taken, as real ones do."""

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from vmbackup.simulator import sparse
from vmbackup.simulator.database import Database
from vmbackup.simulator.disks import Disks

_BLOCK = 4096
_PAUSE = 0.02  # seconds between two rounds of writes


class Guests:
    """Writes a few blocks to every live disk: at once when told to, and steadily while anyone is inside `busy`."""

    def __init__(self, db: Database, disks: Disks) -> None:
        self._db = db
        self._disks = disks
        self._random = random.Random(20)  # noqa: S311  contents for tests, no secret
        self._busy = 0
        self._resting: set[str] = set()  # VMs
        self._round = threading.Lock()
        self._wake = threading.Condition()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="simulated guests", daemon=True)
        self._thread.start()

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Write before the block begins, steadily while it lasts, and once more at its end."""
        self.write()
        with self._wake:
            self._busy += 1
            self._wake.notify_all()
        try:
            yield
        finally:
            with self._wake:
                self._busy -= 1
            self.write()

    def write(self) -> None:
        """Change one block of data, somewhere in its first extents, on each live disk."""
        with self._round:
            for uuid, size in self._live_disks():
                try:
                    offset = self._somewhere(uuid, size)
                    self._disks.write(uuid, offset, self._random.randbytes(min(_BLOCK, size - offset)))
                except FileNotFoundError:  # destroyed between the look and the write
                    continue

    def rest(self, vm: str) -> None:
        """Begin no more writes to the disks of a VM; to be called under the database's lock."""
        self._resting.add(vm)

    def wake(self, vm: str) -> None:
        """End what `rest` began; to be called under the database's lock."""
        self._resting.discard(vm)

    def wait_for_writes(self) -> None:
        """Wait until the writes that have begun are done; not to be called under the database's lock."""
        with self._round:
            pass

    def _live_disks(self) -> list[tuple[str, int]]:
        with self._db.changed:
            return [
                (disk["uuid"], disk["virtual_size"])
                for drive in self._db.table("VBD").values()
                if drive["currently_attached"] and drive["mode"] == "RW" and drive["type"] == "Disk"
                if (vm := self._db.table("VM").get(drive["VM"])) and vm["power_state"] == "Running"
                if drive["VM"] not in self._resting
                if not vm["is_control_domain"] and (disk := self._db.table("VDI").get(drive["VDI"]))
            ]

    def _somewhere(self, uuid: str, size: int) -> int:
        with self._disks.path(uuid).open("rb") as file:
            start, end = next(sparse.data_extents(file.fileno(), size), (0, min(size, _BLOCK)))
        aligned = start + self._random.randrange(max(1, (end - start) // _BLOCK)) * _BLOCK
        return min(aligned, max(0, size - 1))

    def _run(self) -> None:
        while True:
            with self._wake:
                while not self._busy and not self._stopped:
                    self._wake.wait()
                if self._stopped:
                    return
                self._wake.wait(_PAUSE)
            self.write()

    def close(self) -> None:
        """Stop writing and wait until the last write is done."""
        with self._wake:
            self._stopped = True
            self._wake.notify_all()
        self._thread.join()
