"""What came of past runs: their records on a target, newest first, read as hostile input like all that lies there."""

import re
from collections.abc import Callable, Collection, Iterator

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
    folders = [entry.key for entry in repository.target.entries(RUNS) if entry.size is None]
    keys = [
        entry.key
        for folder in folders
        if wanted is None or folder.rpartition("/")[2] in wanted
        for entry in repository.target.entries(folder)
        if entry.size is not None and _NAME.fullmatch(entry.key.rpartition("/")[2])
    ]
    told = 0
    for key in sorted(keys, key=lambda key: (key.rpartition("/")[2], key), reverse=True):
        if limit is not None and told >= limit:
            return
        try:
            report = _read(repository, key)
        except TargetError as error:
            tell(Failure.of(STEP, error))
            continue
        # Two jobs can share a folder: names of jobs become plainer as parts of keys.
        if jobs is None or report.run.job in jobs:
            told += 1
            yield report


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
