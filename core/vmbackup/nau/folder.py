"""The folder of the old backups as a target: set up once, by whoever sees that it is the right one and mounted.

Nothing in the old file says which folder is meant but its path, and a path is there when its disk is not. So the folder
gets the identity that every target has, beside what lies in it, and the state folder remembers it by the path.
"""

import json
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from vmbackup.errors import ConfigError, TargetError, TargetNotProven
from vmbackup.manifest import IDENTITY, Identity
from vmbackup.repository import Repository
from vmbackup.state import State, write_flushed

OLD_BACKUP: Final = re.compile(r"backup-[0-9]{4}-[0-9]{2}-[0-9]{2}.*")
OLD_DUMPS: Final = "METADATA_"
FILE_SYSTEMS_OWN: Final = "lost+found"
KNOWN: Final = "nau-folders.json"


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder that is set up: its id, whether it was so before, and how many VMs have old backups in it."""

    identity: str
    before: bool
    vms: int
    on_root: bool


def remembered(state: State, folder: Path) -> str:
    """Return the id of a folder that was set up, or nothing."""
    return _known(state).get(str(folder), "")


def set_up(repository: Repository, folder: Path, state: State) -> Folder:
    """Make a folder ours beside what NAU has left in it, and remember it.

    Raises TargetError where it is not there or takes nothing, TargetNotProven where somebody else's files are all that
    it holds.
    """
    with repository.target:
        before = repository.target.stat(IDENTITY) is not None
        vms = _old_vms(folder)
        if before:
            identity = _identity(repository).id
        else:
            if not vms and (foreign := next(_others(folder), None)):
                raise TargetNotProven(
                    f"{folder} holds no backup of NAU VMbackup's, but other things, such as {foreign!r}",
                    advice="Is it the right folder, and mounted? It must be empty, or that of NAU's backups.",
                )
            identity = str(uuid.uuid4())
            label = repository.target.label
            repository.store_fact(IDENTITY, Identity(id=identity, label=label, created=datetime.now(UTC)))
        _remember(state, folder, identity)
        return Folder(identity, before, vms, _mount_point(folder) == Path("/"))


def _identity(repository: Repository) -> Identity:
    try:
        return Identity.model_validate_json(repository.fetch_small(IDENTITY))
    except ValidationError:
        raise TargetNotProven(f"target {repository.target.label}: its {IDENTITY} is not to be believed") from None


def _old_vms(folder: Path) -> int:
    """Count the folders that hold NAU's backups of a VM."""
    return sum(any(OLD_BACKUP.fullmatch(name) for name in _names(vm)) for vm in _paths(folder) if _is_folder(vm))


def _others(folder: Path) -> Iterator[str]:
    return (name for name in _names(folder) if name != FILE_SYSTEMS_OWN and not name.startswith(OLD_DUMPS))


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink() and path.name != FILE_SYSTEMS_OWN


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in _paths(folder))


def _paths(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError as error:
        raise TargetError(f"{folder}: cannot be listed: {error.strerror}") from error


def _mount_point(folder: Path) -> Path:
    """Return where the file system is mounted that holds a folder."""
    whole = folder.resolve()
    return next(path for path in (whole, *whole.parents) if path.is_mount())


def _known(state: State) -> dict[str, str]:
    path = state.folder / KNOWN
    try:
        known = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    return {str(folder): str(identity) for folder, identity in known.items()} if isinstance(known, dict) else {}


def _remember(state: State, folder: Path, identity: str) -> None:
    path = state.folder / KNOWN
    fresh = path.with_suffix(f".{uuid.uuid4().hex}")
    write_flushed(fresh, json.dumps({**_known(state), str(folder): identity}, indent=1).encode())
    fresh.replace(path)
