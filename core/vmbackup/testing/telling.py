"""The promises of reporters and notifiers as tests."""

from collections.abc import Callable

import pytest

from vmbackup.conformance import TELLER_PROMISES, TellerPromise, raises_when_it_cannot_tell, writes_no_secret
from vmbackup.contracts import Notifier, Reporter
from vmbackup.settings import Settings

PROMISES = pytest.mark.parametrize("promise", TELLER_PROMISES, ids=lambda promise: promise.__name__)


class ReporterContract:
    """Subclass it, with a name that pytest collects, and give the fixture `reporter`."""

    @pytest.fixture
    def reporter(self) -> Reporter[Settings]:
        """Return a reporter that can write."""
        raise NotImplementedError("a subclass of ReporterContract gives the fixture `reporter`")

    @pytest.fixture
    def failing_reporter(self) -> Reporter[Settings]:
        """Return one that cannot write."""
        pytest.skip("no fixture `failing_reporter`: what happens when it cannot write is not shown")

    @pytest.fixture
    def written(self) -> Callable[[], bytes]:
        """Return a function that returns all that `reporter` has written so far."""
        pytest.skip("no fixture `written`: that no secret is in what it writes is not shown")

    @PROMISES
    def test_keeps_the_promise(self, reporter: Reporter[Settings], promise: TellerPromise) -> None:
        """What every reporter promises."""
        promise(reporter)

    def test_raises_when_it_cannot_write(self, failing_reporter: Reporter[Settings]) -> None:
        """What happens when it cannot write."""
        raises_when_it_cannot_tell(failing_reporter)

    def test_writes_no_secret(self, reporter: Reporter[Settings], written: Callable[[], bytes]) -> None:
        """That no secret is in what it writes."""
        writes_no_secret(reporter, written)


class NotifierContract:
    """Subclass it, with a name that pytest collects, and give the fixture `notifier`."""

    @pytest.fixture
    def notifier(self) -> Notifier[Settings]:
        """Return a notifier that reaches somebody."""
        raise NotImplementedError("a subclass of NotifierContract gives the fixture `notifier`")

    @pytest.fixture
    def failing_notifier(self) -> Notifier[Settings]:
        """Return one that reaches nobody."""
        pytest.skip("no fixture `failing_notifier`: what happens when nobody can be told is not shown")

    @pytest.fixture
    def told(self) -> Callable[[], bytes]:
        """Return a function that returns all that `notifier` has told so far."""
        pytest.skip("no fixture `told`: that no secret is in what it tells is not shown")

    @PROMISES
    def test_keeps_the_promise(self, notifier: Notifier[Settings], promise: TellerPromise) -> None:
        """What every notifier promises."""
        promise(notifier)

    def test_raises_when_nobody_can_be_told(self, failing_notifier: Notifier[Settings]) -> None:
        """What happens when nobody can be told."""
        raises_when_it_cannot_tell(failing_notifier)

    def test_tells_no_secret(self, notifier: Notifier[Settings], told: Callable[[], bytes]) -> None:
        """That no secret is in what it tells."""
        writes_no_secret(notifier, told)
