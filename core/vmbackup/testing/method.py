"""The promises of a method as tests, from one fixture."""

import pytest

from vmbackup.contracts import Method
from vmbackup.settings import Settings
from vmbackup.testing.exporting import METHOD_PROMISES, MethodPromise
from vmbackup.testing.site import SimulatedSite


class MethodContract:
    """Subclass it, with a name that pytest collects, and give the fixture `method`.

    The module says `pytest_plugins = ["vmbackup.testing.fixtures"]`, for each promise has a simulated pool of its own.
    """

    @pytest.fixture
    def method(self) -> Method[Settings]:
        """Return a method with the settings to be tested."""
        raise NotImplementedError("a subclass of MethodContract gives the fixture `method`")

    @pytest.mark.parametrize("promise", METHOD_PROMISES, ids=lambda promise: promise.__name__)
    def test_keeps_the_promise(self, method: Method[Settings], site: SimulatedSite, promise: MethodPromise) -> None:
        """What every method promises."""
        promise(method, site)
