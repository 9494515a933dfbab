"""The promises of a mirror as tests, from two fixtures."""

import pytest

from vmbackup.conformance import MIRROR_PROMISES, MirrorPromise, Place, never_lists_short, tells_that_it_goes_on
from vmbackup.contracts import Mirror
from vmbackup.settings import Settings


class MirrorContract:
    """Subclass it, with a name that pytest collects, and give the fixtures `mirror` and `place`."""

    @pytest.fixture
    def mirror(self) -> Mirror[Settings]:
        """Return a mirror that is entered, on whose place nothing lies."""
        raise NotImplementedError("a subclass of MirrorContract gives the fixture `mirror`")

    @pytest.fixture
    def place(self) -> Place:
        """Return that place as it is seen past the mirror; `vmbackup.conformance.FolderPlace` is one of a folder."""
        raise NotImplementedError("a subclass of MirrorContract gives the fixture `place`")

    @pytest.fixture
    def slow_mirror(self) -> Mirror[Settings]:
        """Return one that is entered, has the same place, and needs 6 seconds or more for 16 MiB."""
        pytest.skip("no fixture `slow_mirror`: whether it tells that a slow copy goes on is not shown")

    @pytest.fixture
    def broken_mirror(self) -> Mirror[Settings]:
        """Return one that is not entered, and cannot look at its place, or at part of it."""
        pytest.skip("no fixture `broken_mirror`: whether it tells that it cannot look is not shown")

    @pytest.mark.parametrize("promise", MIRROR_PROMISES, ids=lambda promise: promise.__name__)
    def test_keeps_the_promise(self, mirror: Mirror[Settings], place: Place, promise: MirrorPromise) -> None:
        """What every mirror promises."""
        promise(mirror, place)

    def test_tells_that_it_goes_on(self, slow_mirror: Mirror[Settings], place: Place) -> None:
        """Whether a slow copy can be told from one that hangs."""
        tells_that_it_goes_on(slow_mirror, place)

    def test_never_lists_short(self, broken_mirror: Mirror[Settings]) -> None:
        """What happens when it cannot look."""
        never_lists_short(broken_mirror)
