"""How one VM's backup goes: bytes, rate over the last seconds, and the stage that was slowest meanwhile."""

import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from vmbackup.live.picture import Row
from vmbackup.plan import Task
from vmbackup.stages import Spent, Stages, slowest

# Rates are those of so many last seconds: long enough to be read, short enough to show what happens now.
WINDOW = 15.0
# Looks that are closer than this, in seconds, are one look; no rate is told of less than that.
APART = 0.2
SHORTEST = 1.5


@dataclass(frozen=True, slots=True)
class _Look:
    moment: float
    read: int
    spent: Spent


@dataclass(slots=True)
class Course:
    """One VM under way. `moment` values are those of `time.monotonic()`."""

    task: Task
    began: float = field(default_factory=time.monotonic)
    step: str = ""
    read: int = 0
    stages: Stages | None = None
    _looks: deque[_Look] = field(default_factory=deque)

    def stream(self, stages: Stages) -> None:
        """A stream begins, the first or that of another attempt."""
        self.stages, self.read = stages, 0
        self._looks.clear()
        self._looks.append(_Look(time.monotonic(), 0, {}))

    @property
    def spent(self) -> Mapping[tuple[str, str], float]:
        """Where the time of the stream's threads has gone so far."""
        return self.stages.spent() if self.stages else {}

    def row(self) -> Row:
        """Look, and tell how it goes."""
        now = _Look(time.monotonic(), self.read, self.spent)
        flows = self.step == "export" and bool(self._looks)
        rate, stage = 0.0, ""
        if flows:
            while len(self._looks) > 1 and now.moment - self._looks[1].moment >= WINDOW:
                self._looks.popleft()
            first = self._looks[0]
            seconds = now.moment - first.moment
            rate = (now.read - first.read) / seconds if seconds >= SHORTEST else 0.0
            stage = slowest(first.spent, now.spent)
            if now.moment - self._looks[-1].moment >= APART:
                self._looks.append(now)
        missing = self.task.estimate - self.read
        return Row(
            vm=self.task.vm.name,
            uuid=self.task.vm.uuid,
            state="under way",
            step=self.step,
            read=self.read,
            estimate=self.task.estimate,
            seconds=now.moment - self.began,
            rate=rate,
            left=missing / rate if rate > 0 and missing > 0 else None,
            slowest=stage,
        )
