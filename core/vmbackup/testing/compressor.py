"""The promises of a compressor as tests, from one fixture."""

import pytest

from vmbackup.conformance import COMPRESSOR_PROMISES, FORMAT_PROMISES, CompressorPromise
from vmbackup.contracts import Compressor
from vmbackup.settings import Settings


class CompressorContract:
    """Subclass it, with a name that pytest collects, and give the fixture `compressor`.

    The compressor's class must be importable by its name, for one of the tests makes a second one in another process;
    the program that its `unpack` names must be installed.
    """

    @pytest.fixture
    def compressor(self) -> Compressor[Settings]:
        """Return a compressor with the settings to be tested; it is always unpacked without any."""
        raise NotImplementedError("a subclass of CompressorContract gives the fixture `compressor`")

    @pytest.mark.parametrize("promise", [*COMPRESSOR_PROMISES, *FORMAT_PROMISES], ids=lambda promise: promise.__name__)
    def test_keeps_the_promise(self, compressor: Compressor[Settings], promise: CompressorPromise) -> None:
        """What every compressor with a format of its own promises."""
        promise(compressor)
