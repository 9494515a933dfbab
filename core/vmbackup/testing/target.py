"""The promises of a target as tests, from one fixture."""

import pytest

from vmbackup.conformance import PROMISES, Promise, hold, refuses_to_be_another, stays_usable_when_full
from vmbackup.conformance.holding import SCRATCH, require
from vmbackup.contracts import Target
from vmbackup.settings import Settings


class TargetContract:
    """Subclass it, with a name that pytest collects, and give the fixture `target`.

    The target's class must be importable by its name, for one of the tests makes a second one in another process.
    """

    @pytest.fixture
    def target(self) -> Target[Settings]:
        """Return a target that is entered; the tests work below one folder of it, and leave nothing there."""
        raise NotImplementedError("a subclass of TargetContract gives the fixture `target`")

    @pytest.fixture
    def small_target(self) -> Target[Settings]:
        """Return one that is entered and has less than 256 MiB of room."""
        pytest.skip("no fixture `small_target`: what happens when it is full is not shown")

    @pytest.fixture
    def wrong_target(self) -> Target[Settings]:
        """Return one that is not entered, and is not the one that its settings demand."""
        pytest.skip("no fixture `wrong_target`: whether it proves by itself which one it is is not shown")

    @pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.__name__)
    def test_keeps_the_promise(self, target: Target[Settings], promise: Promise) -> None:
        """What every target promises."""
        hold(target, promise)
        left = [leftover.key for leftover in target.leftovers() if leftover.key.startswith(f"{SCRATCH}/")]
        require(not left, f"unfinished files of {left} stay")

    def test_stays_usable_when_full(self, small_target: Target[Settings]) -> None:
        """What happens when there is no room."""
        hold(small_target, stays_usable_when_full)

    def test_refuses_to_be_another(self, wrong_target: Target[Settings]) -> None:
        """Whether it proves by itself which one it is."""
        refuses_to_be_another(wrong_target)
