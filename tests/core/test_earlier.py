import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from tests.core.builders import RUN, report, result
from tests.core.stores import ID, local, opened

from vmbackup.earlier import RUNS, earlier
from vmbackup.errors import TargetNotProven, TargetStalled
from vmbackup.lane import Lane
from vmbackup.manifest import Identity
from vmbackup.records import store_record
from vmbackup.repository import Repository
from vmbackup.results import Report
from vmbackup.state import State
from vmbackup_targets.local import Local


def run(number: int, job: str = "weekend") -> Report:
    of = replace(RUN, id=f"{number:04x}{'0' * 12}", job=job, started=RUN.started + timedelta(days=number))
    return replace(report(result()), run=of, finished=of.started)


@pytest.fixture
def there(root: Path, tmp_path: Path) -> Lane:
    """A target with the records of some runs, which nobody has entered."""
    with opened(root) as repository:
        pass
    lane = Lane(Repository(repository.target, ID))
    state = State(tmp_path / "state")
    for number in range(RUNS + 2):
        assert list(store_record(lane, state, run(number))) == []
    assert list(store_record(lane, state, run(99, "other"))) == []
    return lane


@pytest.fixture
def gone(tmp_path: Path) -> Lane:
    """A target that is another one."""
    other = tmp_path / "gone"
    other.mkdir()
    with opened(other) as repository:
        repository.initialise(Identity(id="other", label="gone", created=RUN.started))
    return Lane(Repository(local(other), ID))


def test_it_gives_the_newest_thirty_runs_of_the_job(there: Lane) -> None:
    runs = earlier("weekend", [there], 60)()
    assert [one.run.id for one in runs] == [run(number).run.id for number in range(RUNS + 1, 1, -1)]


def test_the_first_target_that_is_what_it_should_be_is_read(gone: Lane, there: Lane) -> None:
    assert len(earlier("weekend", [gone, there], 60)()) == RUNS


def test_where_none_is_the_first_says_why(gone: Lane) -> None:
    with pytest.raises(TargetNotProven, match="the id on it is other"):
        earlier("weekend", [gone, gone], 60)()


class Slow(Local):
    """A target that answers only when it is let."""

    let = threading.Event()

    def stat(self, key: str) -> None:
        self.let.wait(60)
        raise RuntimeError(key)


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[Lane]:
    (tmp_path / "slow").mkdir()
    Slow.let.clear()
    lane = Lane(Repository(local(tmp_path / "slow", Slow), ID))
    yield lane
    Slow.let.set()
    lane.close()


def test_a_target_that_hangs_costs_a_bounded_time_and_closes_nothing(slow: Lane) -> None:
    with pytest.raises(TargetStalled, match="did not give the records"):
        earlier("weekend", [slow], 0.2)()
    Slow.let.set()
    assert slow.do(lambda _: "the record of this run") == "the record of this run"


def test_a_bug_of_a_target_is_told_like_its_failure(slow: Lane, there: Lane) -> None:
    Slow.let.set()
    assert len(earlier("weekend", [slow, there], 60)()) == RUNS
