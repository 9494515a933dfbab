import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.core.builders import RUN, START, report, result
from tests.core.stores import opened

from vmbackup.history import RECORD_LIMIT, last_runs, past_runs
from vmbackup.lane import Lane
from vmbackup.records import REPORT, store_record
from vmbackup.repository import Repository
from vmbackup.results import Covered, Failure, Report
from vmbackup.state import State

NEWEST = "runs/weekend/20260103T020000Z-0123.json"


def run(hours: int, job: str = "weekend", number: int = 0) -> Report:
    started = START + timedelta(hours=hours)
    told = report(result("web"), result("db", good=False))
    of = replace(RUN, id=f"{number:04x}{'0' * 12}", job=job, started=started)
    return replace(told, run=of, finished=started + timedelta(minutes=9))


def stored(root: Path, tmp_path: Path, *reports: Report) -> None:
    """Store records as runs do."""
    with opened(root) as repository:
        pass
    state = State(tmp_path / "state")
    for told in reports:
        assert list(store_record(Lane(repository), state, told)) == []


def read(repository: Repository, **choice: Any) -> tuple[list[Report], list[Failure]]:
    told: list[Failure] = []
    return list(past_runs(repository, **choice, tell=told.append)), told


def test_runs_of_all_jobs_come_newest_first(root: Path, tmp_path: Path, repository: Repository) -> None:
    runs = [run(1), run(5, "daily"), run(3), run(4, "a.b--c"), run(2, "daily")]
    stored(root, tmp_path, *runs)
    assert read(repository) == ([runs[1], runs[3], runs[2], runs[4], runs[0]], [])


def test_runs_of_some_jobs_alone_though_two_share_a_folder(root: Path, tmp_path: Path, repository: Repository) -> None:
    runs = [run(1), run(2, "a.b"), run(3, "a b"), run(4, "daily")]
    stored(root, tmp_path, *runs)
    assert read(repository, jobs=["a.b", "weekend"])[0] == [runs[1], runs[0]]
    assert read(repository, jobs=["a b"], limit=1)[0] == [runs[2]]
    assert read(repository, jobs=[]) == ([], [])


def test_a_limit_reads_no_more_than_it_asks_for(root: Path, tmp_path: Path, repository: Repository) -> None:
    stored(root, tmp_path, run(1), run(2), run(3))
    (root / "runs/weekend/20260103T030000Z-0000.json").write_bytes(b"not reached")
    assert read(repository, limit=2) == ([run(3), run(2)], [])
    assert read(repository, limit=0) == ([], [])


def test_no_records_are_no_runs(repository: Repository) -> None:
    assert read(repository) == ([], [])


def test_two_runs_of_one_second_are_both_told(root: Path, tmp_path: Path, repository: Repository) -> None:
    stored(root, tmp_path, run(1), run(1, number=1), run(1, "daily"))
    assert len(read(repository)[0]) == 3


def test_what_is_not_named_like_a_record_is_not_looked_at(root: Path, tmp_path: Path, repository: Repository) -> None:
    stored(root, tmp_path, run(1))
    for name in ("notes.json", "20260103T020000Z-0123.txt", "x20260103T020000Z-0123.json", "deeper/a.json"):
        path = root / "runs" / "weekend" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"a stranger's")
    (root / "runs" / "20260103T020000Z-0123.json").write_bytes(b"a stranger's")
    assert read(repository) == ([run(1)], [])


def altered(**changes: object) -> bytes:
    return json.dumps({**json.loads(REPORT.dump_json(replace(report(), run=RUN))), **changes}).encode()


POOL = json.loads(REPORT.dump_json(report()))["run"]["pool"]
AT = "2026-01-03T02:00:00Z"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "EOF"),
        (b"not JSON", "Invalid JSON"),
        (b"[]", "object"),
        (b"[" * 100_000, "recursion"),
        (b"\xff\xfe", "JSON"),
        (altered()[:-40], "EOF"),
        (altered(vmbackup_report=2), "vmbackup_report: Input should be 1"),
        (altered(finished="2026-01-03T02:00:00"), "finished: Input should have timezone"),
        (altered(finished="0001-01-01T00:00:00+14:00"), "calendar"),
        (altered(run={"id": "0123", "job": "weekend", "pool": POOL, "started": "2026-01-03T02:00:00"}), "timezone"),
        (altered(run={"id": "0123", "job": "daily", "pool": POOL, "started": AT}), "record of another run"),
        (altered(run={"id": "0124", "job": "weekend", "pool": POOL, "started": AT}), "record of another run"),
        (altered(run={"id": "0123", "job": "../../etc", "pool": POOL, "started": AT}), "record of another run"),
        (altered(results=[{"vm": "web"}]), "results.0.uuid: Field required"),
        (altered(mirrored=[{"mirror": "m", "folder": "", "did": "copied", "seconds": float("nan")}]), "finite"),
        (altered(mirrored=[{"mirror": "m", "folder": "", "did": "copied", "size": -1}]), "greater"),
    ],
)
def test_what_is_no_record_is_told_and_passed_over(
    data: bytes, reason: str, root: Path, tmp_path: Path, repository: Repository
) -> None:
    stored(root, tmp_path, run(-1), run(1))
    (root / NEWEST).write_bytes(data)
    reports, (failure,) = read(repository)
    assert reports == [run(1), run(-1)]
    assert (failure.step, failure.code) == ("history", "Unbelievable")
    assert f"nas:{NEWEST}" in failure.message
    assert reason in failure.message


def test_a_record_of_an_earlier_and_of_a_later_version_is_read(root: Path, repository: Repository) -> None:
    path = root / NEWEST
    path.parent.mkdir(parents=True)
    whole = json.loads(REPORT.dump_json(report(result())))
    first = {name: whole[name] for name in ("run", "finished", "targets", "results", "failures", "warnings")}
    for content in (first, {**whole, "weather": {"rain": True}}):
        path.write_text(json.dumps(content))
        assert read(repository) == ([report(result())], [])


def test_a_record_without_an_end_is_not_read_to_its_end(root: Path, tmp_path: Path, repository: Repository) -> None:
    stored(root, tmp_path, run(1))
    with (root / NEWEST).open("wb") as file:
        file.truncate(1 << 40)
    reports, (failure,) = read(repository)
    assert reports == [run(1)]
    assert f"more than {RECORD_LIMIT:,} bytes" in failure.message


def test_a_record_that_cannot_be_read_says_so(root: Path, tmp_path: Path, repository: Repository) -> None:
    stored(root, tmp_path, run(1), replace(report(), run=RUN))
    told: list[Failure] = []
    runs = past_runs(repository, tell=told.append)
    assert next(runs) == run(1)
    (root / NEWEST).unlink()
    assert list(runs) == []
    assert [(failure.step, failure.code) for failure in told] == [("history", "KeyMissing")]


def last(repository: Repository, hours: int = 99) -> tuple[list[Report], list[Failure]]:
    told: list[Failure] = []
    return list(last_runs(repository, START + timedelta(hours=hours), tell=told.append)), told


def with_inventory(told: Report) -> Report:
    return replace(told, inventory=(Covered("web", "1", taken=True),))


def test_the_last_run_of_each_job_and_the_last_that_knew_the_inventory(
    root: Path, tmp_path: Path, repository: Repository
) -> None:
    known, knew = with_inventory(run(4, "daily")), with_inventory(run(3))
    stored(root, tmp_path, run(1), with_inventory(run(2)), knew, run(5), run(6), with_inventory(run(1, "daily")), known)
    (root / "runs/weekend/20260103T030000Z-0000.json").write_bytes(b"not reached")
    reports, told = last(repository)
    assert sorted(reports, key=lambda one: one.run.started) == [knew, known, run(6)]
    assert told == []


def test_of_two_jobs_that_share_a_folder_the_newer_stands_for_both(
    root: Path, tmp_path: Path, repository: Repository
) -> None:
    newer = with_inventory(run(2, "a b"))
    stored(root, tmp_path, with_inventory(run(1, "a.b")), newer)
    assert last(repository) == ([newer], [])


def test_what_is_no_record_or_of_the_future_is_no_last_run(root: Path, tmp_path: Path, repository: Repository) -> None:
    known = with_inventory(run(1))
    stored(root, tmp_path, known, with_inventory(run(9)))
    (root / "runs/weekend/20260103T040000Z-0000.json").write_bytes(b"garbage")
    reports, told = last(repository, hours=8)
    assert reports == [known]
    assert [failure.code for failure in told] == ["Future", "Unbelievable"]
    assert last(repository, hours=9)[0] == [with_inventory(run(9))]


def test_no_records_are_no_last_runs(repository: Repository) -> None:
    assert last(repository) == ([], [])
