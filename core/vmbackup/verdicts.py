"""What the last run of each job came to, kept in the state folder for the notifiers that are told of changes alone."""

import uuid
from collections.abc import Mapping
from pathlib import Path

from pydantic import TypeAdapter

from vmbackup.state import State, write_flushed
from vmbackup.telling import Verdict

_VERDICTS: TypeAdapter[dict[str, Verdict]] = TypeAdapter(dict[str, Verdict])


def last_verdicts(state: State, job: str) -> dict[str, Verdict]:
    """Return the verdicts of the job's last run by the labels of notifiers; none where nothing is known."""
    try:
        return _VERDICTS.validate_json(_path(state, job).read_bytes())
    except (OSError, ValueError):
        return {}


def keep_verdicts(state: State, job: str, verdicts: Mapping[str, Verdict]) -> None:
    """Keep those of the run that is over. Raises OSError."""
    path = _path(state, job)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    fresh = path.with_suffix(f".{uuid.uuid4().hex}")
    write_flushed(fresh, _VERDICTS.dump_json(dict(verdicts)))
    fresh.replace(path)


def _path(state: State, job: str) -> Path:
    return state.verdicts / f"{job}.json"
