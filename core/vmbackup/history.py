"""What came of past runs: their records on a target, newest first, read as hostile input like all that lies there."""

import re
from collections.abc import Callable, Collection, Iterator
from datetime import datetime

from pydantic import ValidationError

from vmbackup.errors import TargetError
from vmbackup.keys import slug
from vmbackup.records import REPORT, record_name
from vmbackup.repository import RUNS, Repository, Unbelievable
from vmbackup.results import Failure, Report
from vmbackup.stream import read_all

# A record holds a manifest for each VM and target, of 70 KB at most where an image has thousands of slices.
RECORD_LIMIT = 64 << 20
_NAME = re.compile(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{4}\.json")
STEP = "history"


def _ignore(failure: Failure) -> None:
    del failure


def past_runs(
    repository: Repository,
    *,
    jobs: Collection[str] | None = None,
    limit: int | None = None,
    tell: Callable[[Failure], object] = _ignore,
) -> Iterator[Report]:
    """Yield the reports of the runs that a target has records of, newest first: of those jobs, and so many at most.

    A record that cannot be read, that is not what vmbackup writes, or that a later version wrote in another way is
    passed over, and `tell` is told of it. Each is read when it is asked for, so that whoever needs the last ten reads
    ten. Raises TargetError where the target cannot say what records there are.
    """
    wanted = None if jobs is None else {slug(job) for job in jobs}
    keys = [key for name, keys in _records(repository) if wanted is None or name in wanted for key in keys]
    told = 0
    for key in sorted(keys, key=lambda key: (key.rpartition("/")[2], key), reverse=True):
        if limit is not None and told >= limit:
            return
        report = _believed(repository, key, tell)
        # Two jobs can share a folder: names of jobs become plainer as parts of keys.
        if report and (jobs is None or report.run.job in jobs):
            told += 1
            yield report


def last_runs(
    repository: Repository, until: datetime, *, tell: Callable[[Failure], object] = _ignore
) -> Iterator[Report]:
    """Yield the last report of each job, and the last that has an inventory where that is another one.

    What is passed over, and what is raised, is as with `past_runs`; so is what is dated later than `until`, in UTC, for
    it would be the last for ever. Jobs whose names are the same as parts of keys, as `a.b` and `a-b`, count as one:
    whether there is another would only show at the end of the history.
    """
    future = f"{until:%Y%m%dT%H%M%SZ}."
    for _, keys in _records(repository):
        seen: dict[str, bool] = {}
        for key in sorted(keys, reverse=True):
            if key.rpartition("/")[2] > future:
                where = f"{repository.target.label}:{key}"
                tell(Failure(STEP, "Future", f"{where}: dated in the future, and left out"))
                continue
            report = _believed(repository, key, tell)
            if report is None:
                continue
            job, known = report.run.job, bool(report.inventory)
            if job not in seen or (known and not seen[job]):
                yield report
            seen[job] = known or seen.get(job, False)
            if all(seen.values()):
                break


def _records(repository: Repository) -> Iterator[tuple[str, list[str]]]:
    """Yield the folder of each job by its name, with the keys of the records in it, in no order."""
    for folder in repository.target.entries(RUNS):
        if folder.size is None:
            entries = repository.target.entries(folder.key)
            files = [entry.key for entry in entries if entry.size is not None]
            yield folder.key.rpartition("/")[2], [key for key in files if _NAME.fullmatch(key.rpartition("/")[2])]


def _believed(repository: Repository, key: str, tell: Callable[[Failure], object]) -> Report | None:
    try:
        return _read(repository, key)
    except TargetError as error:
        tell(Failure.of(STEP, error))
        return None


def _read(repository: Repository, key: str) -> Report:
    """Return the report that a record holds. Raises TargetError; Unbelievable where it was read and is none."""
    label = repository.target.label
    try:
        report = REPORT.validate_json(read_all(repository.target.fetch(key), RECORD_LIMIT))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise Unbelievable(
            f"{label}:{key}: not a record that this version of vmbackup can read: {place}: {first['msg']}"
        ) from None
    except ValueError as error:
        raise Unbelievable(f"{label}:{key}: not to be believed: {error}") from None
    if key != f"{RUNS}/{slug(report.run.job)}/{record_name(report)}":
        raise Unbelievable(f"{label}:{key}: not to be believed: it is the record of another run")
    return report
