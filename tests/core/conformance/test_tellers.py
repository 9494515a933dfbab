"""The promises of reporters and notifiers bite: for each there is one that breaks it, and it is found out by that."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.core.broken_tellers import (
    BROKEN,
    GoesOnForEver,
    KeepsQuiet,
    LetsItFall,
    Lines,
    Made,
    SaysWithWhat,
    TellerSettings,
    Told,
    WritesItDown,
    WritesNothing,
)

from vmbackup import conformance
from vmbackup.check import words
from vmbackup.conformance import TELLER_PROMISES, PromiseBroken, Teller, TellerPromise
from vmbackup.testing import NotifierContract, ReporterContract

ROOT = Path(__file__).parents[3]
SECRET = "canary-3Zq9"
EVERY = [*TELLER_PROMISES, conformance.raises_when_it_cannot_tell, conformance.writes_no_secret]


def made(kind: Made, path: Path) -> Teller:
    return kind("ops", TellerSettings.model_validate({"path": path, "token": SECRET}))


class TestLines(ReporterContract):
    @pytest.fixture
    def reporter(self, tmp_path: Path) -> Teller:
        return made(Lines, tmp_path / "lines")

    @pytest.fixture
    def failing_reporter(self, tmp_path: Path) -> Teller:
        return made(Lines, tmp_path / "absent" / "lines")

    @pytest.fixture
    def written(self, tmp_path: Path) -> Callable[[], bytes]:
        return (tmp_path / "lines").read_bytes


class TestTold(NotifierContract):
    @pytest.fixture
    def notifier(self, tmp_path: Path) -> Teller:
        return made(Told, tmp_path / "lines")

    @pytest.fixture
    def failing_notifier(self, tmp_path: Path) -> Teller:
        return made(Told, tmp_path / "absent" / "lines")

    @pytest.fixture
    def told(self, tmp_path: Path) -> Callable[[], bytes]:
        return (tmp_path / "lines").read_bytes


@pytest.fixture
def over() -> Iterator[None]:
    """Threads that wait are let go."""
    GoesOnForEver.over = threading.Event()
    yield
    GoesOnForEver.over.set()


@pytest.mark.parametrize(
    ("kind", "promise"), BROKEN.items(), ids=[f"{promise.__name__}-{kind.__name__}" for kind, promise in BROKEN.items()]
)
def test_one_that_breaks_a_promise_is_found_out_by_it(
    tmp_path: Path, over: None, kind: Made, promise: TellerPromise
) -> None:
    with pytest.raises(PromiseBroken) as raised:
        promise(made(kind, tmp_path / "lines"))
    assert str(raised.value)
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize(
    ("kind", "told"),
    [(KeepsQuiet, "nobody would know"), (LetsItFall, "FileNotFoundError, which"), (SaysWithWhat, "a secret")],
)
def test_one_that_fails_in_a_wrong_way_is_found_out(tmp_path: Path, kind: Made, told: str) -> None:
    with pytest.raises(PromiseBroken, match=told):
        conformance.raises_when_it_cannot_tell(made(kind, tmp_path / "absent" / "lines"))


@pytest.mark.parametrize(("kind", "told"), [(WritesItDown, "a secret"), (WritesNothing, "nothing is shown")])
def test_one_that_writes_a_secret_is_found_out(tmp_path: Path, kind: Made, told: str) -> None:
    path = tmp_path / "lines"
    path.touch()
    with pytest.raises(PromiseBroken, match=told):
        conformance.writes_no_secret(made(kind, path), path.read_bytes)


def test_the_process_is_put_back(tmp_path: Path, over: None) -> None:
    before = (Path.cwd(), dict(os.environ), signal.getsignal(signal.SIGALRM))
    for kind, promise in BROKEN.items():
        if promise is conformance.leaves_the_process_alone:
            with pytest.raises(PromiseBroken, match="is not what it was"):
                promise(made(kind, tmp_path / "lines"))
    assert (Path.cwd(), dict(os.environ), signal.getsignal(signal.SIGALRM)) == before


def test_every_promise_is_broken_by_somebody() -> None:
    assert set(BROKEN.values()) == set(TELLER_PROMISES)


@pytest.mark.parametrize("promise", EVERY)
def test_every_promise_is_in_the_documentation(promise: TellerPromise) -> None:
    statement = (promise.__doc__ or "").splitlines()[0]
    assert getattr(conformance, promise.__name__) is promise
    assert f"\n| {words(promise)} | {statement} |\n" in (ROOT / "docs/plugins/reporters-and-notifiers.md").read_text()
