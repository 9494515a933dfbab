"""The record of every run, kept on the target; while the target is away it waits in the state folder."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from pydantic import TypeAdapter

from vmbackup.keys import slug
from vmbackup.lane import Lane
from vmbackup.repository import RUNS, Repository
from vmbackup.results import Failure, Report
from vmbackup.state import State, write_flushed

REPORT: TypeAdapter[Report] = TypeAdapter(Report)


def record_name(report: Report) -> str:
    """Return what the record of a run is called in the folder of its job: when it began, in UTC, and its id."""
    return f"{report.run.started:%Y%m%dT%H%M%SZ}-{report.run.id[:4]}.json"


def record_of(report: Report) -> bytes:
    """Return a report as its record: JSON in UTF-8. What no UTF-8 can hold, such as part of a path, becomes `?`."""
    content = json.dumps(REPORT.dump_python(report, mode="json"), indent=1, ensure_ascii=False)
    return content.encode(errors="replace")


def store_record(lane: Lane, state: State, report: Report) -> Iterator[Failure]:
    """Store the record of this run and those that still wait for this target; yield what kept it from that."""
    identity = lane.repository.identity
    # A target whose id is not known yet is known by its label.
    nameless = state.waiting / f"label-{slug(lane.label)}"
    waiting = state.waiting / identity if identity else nameless
    name = f"{slug(report.run.job)}--{record_name(report)}"
    try:
        waiting.mkdir(mode=0o700, exist_ok=True)
        write_flushed(waiting / name, record_of(report))
        lane.do(lambda repository: _hand_all_over(repository, (waiting, nameless)))
    except OSError as error:
        yield Failure("record", type(error).__name__, f"{waiting}: {error.strerror}")
    except (Exception, SystemExit) as error:  # noqa: BLE001 - even a bug of a target's must not keep the report from being shown
        yield Failure.of("record", error)


def _hand_all_over(repository: Repository, folders: Iterable[Path]) -> None:
    with repository.target:
        repository.prove()
        for path in sorted(path for folder in folders for path in folder.glob("*.json")):
            _hand_over(repository, path)


def _hand_over(repository: Repository, path: Path) -> None:
    job, _, moment = path.name.rpartition("--")
    key = f"{RUNS}/{job}/{moment}"
    if repository.target.stat(key) is None:
        repository.store(key, [path.read_bytes()])
    path.unlink(missing_ok=True)
