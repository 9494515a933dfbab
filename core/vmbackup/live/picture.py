"""A run at one moment, as a frozen value: what the live view is drawn from, and what `vmbackup watch` is sent."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydantic import TypeAdapter

State = Literal["waiting", "under way", "good", "in part", "failed"]


@dataclass(frozen=True, slots=True)
class Row:
    """One VM of the plan. Sizes in bytes, durations in seconds, `rate` in bytes a second.

    `estimate` is the most that the pool will send, so that `left` is the most that it may still take at this rate.
    `step` is where it is, or where and with which code it failed; `slowest` the slowest stage of its stream.
    """

    vm: str
    uuid: str
    state: State
    step: str = ""
    read: int = 0
    estimate: int = 0
    seconds: float = 0.0
    rate: float = 0.0
    left: float | None = None
    slowest: str = ""


@dataclass(frozen=True, slots=True)
class Picture:
    """A run. Of its VMs, `rows` has those under way, the last that are done, and the next that wait; the rest counts.

    `doing` is what it is at outside of any VM, `rate` how fast it was so far with all that is no reading, and `left`
    about how long the VMs will still take. `code` is the exit code, once it has `ended` (UTC).
    """

    job: str
    run: str
    process: int
    started: datetime
    seconds: float
    doing: str
    planned: bool
    rows: tuple[Row, ...]
    counts: dict[State, int]
    read: int
    estimate: int
    rate: float
    left: float | None
    slowest: str
    warnings: int
    said: tuple[str, ...]
    ended: datetime | None = None
    code: int | None = None

    @property
    def vms(self) -> int:
        """How many VMs the plan has."""
        return sum(self.counts.values())


PICTURE: TypeAdapter[Picture] = TypeAdapter(Picture)
