from dataclasses import replace
from pathlib import Path

import pytest
from tests.core.builders import FAILURE, RUN, report, result
from tests.core.stores import ID, opened, tree

from vmbackup.conformance import reports
from vmbackup.lane import Lane
from vmbackup.manifest import Identity
from vmbackup.records import REPORT, record_of, store_record
from vmbackup.repository import Repository
from vmbackup.results import Covered, Failure, Removal, Report
from vmbackup.state import State
from vmbackup_targets.local import Local

TOLD = replace(
    report(result("web"), result("db", good=False, warnings=[FAILURE]), failures=[FAILURE]),
    removals=(Removal("nas", "a/b", "number 5", FAILURE),),
    inventory=(Covered("web", "1", taken=True), Covered("mail ✉", "2", taken=False)),
    versions={"vmbackup": "0", "xapi": "26.1"},
)
NAME = "20260103T020000Z-0123.json"


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State(tmp_path / "state")


def record(root: Path, state: State, told: Report = TOLD) -> list[Failure]:
    """Store a record as a run does, which has left its target by then."""
    with opened(root) as repository:
        pass
    return list(store_record(Lane(repository), state, told))


def records(root: Path) -> dict[str, Report]:
    return {name: REPORT.validate_json(data) for name, data in tree(root).items() if name.startswith("runs/") and data}


def waiting(state: State) -> list[str]:
    return sorted(path.name for path in state.waiting.rglob("*.json"))


def test_a_record_holds_the_whole_report(root: Path, state: State) -> None:
    assert record(root, state) == []
    assert records(root) == {f"runs/weekend/{NAME}": TOLD}
    assert waiting(state) == []


def test_a_record_waits_while_its_target_is_away_and_comes_with_the_next(root: Path, state: State) -> None:
    away = root.rename(root.with_name("away"))
    root.mkdir()
    (failure,) = record(root, state)
    assert (failure.step, failure.code) == ("record", "TargetNotProven")
    assert tree(root) == {}
    assert len(waiting(state)) == 1
    root.rmdir()
    away.rename(root)
    later = replace(TOLD, run=replace(RUN, id="f" * 16, job="a.b--c"))
    assert record(root, state, later) == []
    assert records(root) == {f"runs/weekend/{NAME}": TOLD, "runs/a-b-c/20260103T020000Z-ffff.json": later}
    assert waiting(state) == []


def test_a_target_that_cannot_be_opened_is_a_failure_and_no_more(tmp_path: Path, state: State) -> None:
    (tmp_path / "gone").mkdir()
    with opened(tmp_path / "gone") as repository:
        (tmp_path / "gone").rmdir()
    (failure,) = store_record(Lane(repository), state, TOLD)
    assert failure.code == "TargetError"
    assert len(waiting(state)) == 1


def test_a_record_waits_for_its_own_target_alone(root: Path, state: State, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    with opened(other) as repository:
        repository.initialise(Identity(id="other", label="other", created=RUN.started))
    (failure,) = record(other, state)
    assert failure.code == "TargetNotProven"
    mine = Repository(repository.target, "other")
    assert list(store_record(Lane(mine), state, replace(TOLD, run=replace(RUN, id="e" * 16)))) == []
    assert [name[-9:] for name in records(other)] == ["eeee.json"]
    assert record(root, state, replace(TOLD, run=replace(RUN, id="f" * 16))) == []
    assert [name[-9:] for name in sorted(records(root))] == ["0123.json", "ffff.json"]


def test_a_record_that_is_there_already_is_not_stored_twice(root: Path, state: State) -> None:
    assert record(root, state) == []
    before = tree(root)
    assert record(root, state) == []
    assert tree(root) == before
    assert waiting(state) == []


def test_a_state_folder_that_cannot_be_written_is_a_failure_and_no_more(root: Path, state: State) -> None:
    (state.waiting / ID).write_bytes(b"no folder")
    (failure,) = record(root, state)
    assert failure.step == "record"
    assert str(state.waiting) in failure.message


def test_a_waiting_record_is_its_owner_s_alone(root: Path, state: State) -> None:
    (root / "vmbackup-target.json").unlink()
    record(root, state)
    (path,) = state.waiting.rglob("*.json")
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_the_target_is_left_again(root: Path, state: State) -> None:
    with opened(root) as repository:
        target = repository.target
    assert list(store_record(Lane(repository), state, TOLD)) == []
    assert isinstance(target, Local)
    assert target._root is None


@pytest.mark.parametrize("shape", reports())
def test_a_run_of_any_shape_has_a_record_that_can_be_read(shape: str) -> None:
    told = reports()[shape]
    if "UTF-8" in shape:
        (warning,) = REPORT.validate_json(record_of(told)).warnings
        assert warning.message == "/mnt/?: full"
    else:
        assert REPORT.validate_json(record_of(told)) == told
