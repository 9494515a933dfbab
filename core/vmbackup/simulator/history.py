"""What became of which object since a generation (db_cache_types.ml): the latest of each, not the way there."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from vmbackup.simulator.database import Database, Touched

Operation = Literal["add", "mod", "del"]
KEPT = 512  # so many deleted objects of a class are remembered; with one more, only the latest TRIMMED are
TRIMMED = 256
_LONG_AGO = 1  # the generation of what was there when the server started


@dataclass(frozen=True, slots=True)
class Change:
    """What became of an object, and in which generation."""

    cls: str
    ref: str
    operation: Operation
    generation: int


@dataclass(frozen=True, slots=True)
class _Times:
    created: int
    changed: int


class History:
    """Follows a database (its `tell`); to be used under the database's lock.

    Generations go on rising across restarts, because they start from the clock (microseconds).
    """

    def __init__(self, db: Database) -> None:
        self._db = db
        self._living: dict[tuple[str, str], _Times] = {}  # the last changed at the end
        self._deleted: dict[str, dict[str, _Times]] = {}
        self.generation = time.time_ns() // 1000

    def adopt(self, classes: Iterable[str]) -> None:
        """Take what the tables of these classes hold for older than any generation to come."""
        for cls in classes:
            self._living.update(((cls, ref), _Times(_LONG_AGO, _LONG_AGO)) for ref in self._db.table(cls))

    def note(self, touched: Touched) -> None:
        """Take note of what a change made, altered and deleted; each object gets a generation of its own."""
        for cls, ref in touched:
            self.generation += 1
            before = self._living.pop((cls, ref), None)
            created = self.generation if before is None else before.created
            if self._db.has(cls, ref):
                self._living[cls, ref] = _Times(created, self.generation)
            elif before is not None:
                self._bury(cls, ref, _Times(created, self.generation))

    def _bury(self, cls: str, ref: str, times: _Times) -> None:
        graves = self._deleted.setdefault(cls, {})
        graves[ref] = times
        if len(graves) > KEPT:
            self._deleted[cls] = dict(list(graves.items())[-TRIMMED:])

    def since(self, generation: int, wanted: Callable[[str, str], bool]) -> list[Change]:
        """Give what is new, what changed and what is gone, in this order.

        What came and went since then is not told, nor is what was deleted so long ago that it is forgotten.
        """
        return [*self._changed(generation, wanted), *self._gone(generation, wanted)]

    def _changed(self, generation: int, wanted: Callable[[str, str], bool]) -> list[Change]:
        found: dict[Operation, list[Change]] = {"add": [], "mod": []}
        for (cls, ref), times in reversed(self._living.items()):
            if times.changed <= generation:
                break
            if wanted(cls, ref):
                operation: Operation = "add" if times.created > generation else "mod"
                found[operation].append(Change(cls, ref, operation, times.changed))
        return [*reversed(found["add"]), *reversed(found["mod"])]

    def _gone(self, generation: int, wanted: Callable[[str, str], bool]) -> list[Change]:
        return [
            Change(cls, ref, "del", times.changed)
            for cls, graves in self._deleted.items()
            for ref, times in graves.items()
            if times.created <= generation < times.changed and wanted(cls, ref)
        ]
