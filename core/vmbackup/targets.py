"""The targets of a run: entered together and left together, and each has to prove itself."""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

from vmbackup.lane import Lane
from vmbackup.repository import Repository
from vmbackup.results import PREPARE, Failure


class Targets:
    """The targets of a run, of which some may not be there: `lost` says why, by their labels."""

    def __init__(self, lanes: Collection[Lane]) -> None:
        """Begin with all of them, entered or not."""
        self._lanes = tuple(lanes)
        self._errors: dict[Lane, BaseException] = {}

    @property
    def lost(self) -> dict[str, Failure]:
        """Why a target is not there, by its label."""
        return {lane.label: Failure.of(PREPARE, error) for lane, error in self._errors.items()}

    def enter(self, lane: Lane) -> bool:
        """Enter a target and say whether it is there."""
        return self._try(lane, lambda repository: repository.target.__enter__())

    def proven(self) -> tuple[Lane, ...]:
        """Return the targets that are what the configuration names. Raises what is wrong with the first if none is."""
        for lane in self._lanes:
            if lane not in self._errors:
                self._try(lane, lambda repository: repository.prove())
        there = tuple(lane for lane in self._lanes if lane not in self._errors)
        if not there:
            raise self._errors[self._lanes[0]]
        return there

    def _try(self, lane: Lane, work: Callable[[Repository], object]) -> bool:
        try:
            lane.do(work)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - one target's failure, even by a bug, never stops the others
            self._errors[lane] = error
            return False
        return True


@contextmanager
def entered(lanes: Collection[Lane], warn: Callable[[Failure], None]) -> Iterator[Targets]:
    """Enter all targets, and leave those that were entered; `warn` is told of one that cannot be left."""
    targets = Targets(lanes)
    inside: list[Lane] = []
    try:
        # One by one, so that those that are entered are left whatever interrupts this.
        inside.extend(lane for lane in lanes if targets.enter(lane))
        yield targets
    finally:
        for lane in reversed(inside):
            try:
                lane.exit()
            except (Exception, SystemExit) as error:  # noqa: BLE001 - the run is none the worse
                warn(Failure.of("leave", error))
