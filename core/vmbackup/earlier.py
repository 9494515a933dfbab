"""The earlier runs of a job, for whoever reports one: read only when they are asked for, and never waited for long."""

import time
from collections.abc import Sequence
from concurrent.futures import wait

from vmbackup.contracts import Past
from vmbackup.errors import TargetError, TargetStalled, VmbackupError
from vmbackup.history import past_runs
from vmbackup.lane import Lane
from vmbackup.repository import Repository
from vmbackup.results import Report

RUNS = 30


def earlier(job: str, lanes: Sequence[Lane], seconds: float) -> Past:
    """Return what reads the newest records of a job from the first of its targets that is what it should be.

    It takes `seconds` at most, however many targets hang, so that who waits for it still has time for the report. The
    targets are not entered when it is called.
    """

    def past() -> Sequence[Report]:
        until = time.monotonic() + seconds
        errors: list[VmbackupError] = []
        for lane in lanes:
            try:
                return _read(lane, job, until)
            except VmbackupError as error:
                errors.append(error)
            except (Exception, SystemExit) as error:  # noqa: BLE001 - a bug of a target's costs the charts, not the report
                errors.append(TargetError(f"the target {lane.label} raised {type(error).__name__}: {error}"))
        raise errors[0] if errors else TargetError("the job has no target")

    return past


def _read(lane: Lane, job: str, until: float) -> Sequence[Report]:
    def records(repository: Repository) -> Sequence[Report]:
        with repository.target:
            repository.prove()
            return tuple(past_runs(repository, jobs=[job], limit=RUNS))

    future = lane.start(records)
    wait([future], timeout=max(0.0, until - time.monotonic()))
    if not future.done():
        # Not left behind: the record of this run is stored on the same lane, and waits its own time.
        raise TargetStalled(f"the target {lane.label} did not give the records of earlier runs in time")
    return future.result()
