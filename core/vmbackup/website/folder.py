"""A folder of pages that others may be reading: never half, and nothing in it that is not ours is touched.

Each file is replaced whole. Pages come before the index that leads to them, and go after it, so that every link of
every page leads somewhere at any moment. What is ours stands in a list in the folder, which names a file before it is
written and until it is gone.
"""

import fcntl
import json
import os
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from vmbackup.errors import ConfigError, LockHeld

LIST = "vmbackup-site.json"
# Names that a list is believed about: whoever can write to the folder can write one.
_OURS = re.compile(r"index\.html|style\.css|(vms|runs)/[A-Za-z0-9-]{1,200}\.html")
_OTHERS = "Name a folder that is new, empty, or was made by `vmbackup site`."


def publish(files: Mapping[str, bytes], folder: Path) -> None:
    """Make `folder` hold these files, written in their order, and no others of ours.

    Raises ConfigError for a folder that is somebody else's or cannot be written, LockHeld while another is at it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _alone(folder):
            _publish(files, folder)
    except OSError as error:
        raise ConfigError(
            f"{error.filename or folder} could not be written: {error.strerror}",
            advice="Look at its rights and the room that is left; what was there before is whole.",
        ) from error


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise LockHeld(f"{folder} is being written by another `vmbackup site`") from error
    finally:
        os.close(descriptor)


def _publish(files: Mapping[str, bytes], folder: Path) -> None:
    before = _ours(folder)
    for inner in sorted({(folder / name).parent for name in files}):
        if inner.is_symlink() and inner != folder:
            raise ConfigError(f"{inner} is a link, and leads out of the site", advice=_OTHERS)
        inner.mkdir(exist_ok=True)
    _write(folder / LIST, _listed(before | files.keys()))
    for name, content in files.items():
        _write(folder / name, content)
    for name in sorted(before - files.keys()):
        (folder / name).unlink(missing_ok=True)
        _beside(folder / name).unlink(missing_ok=True)
    _write(folder / LIST, _listed(files))


def _ours(folder: Path) -> set[str]:
    """Return the names of our files in a folder, nothing for an empty or missing one."""
    path = folder / LIST
    try:
        said = json.loads(path.read_bytes())
    except FileNotFoundError:
        if folder.is_dir() and any(folder.iterdir()):
            raise ConfigError(f"{folder} is not empty, and was not made by `vmbackup site`", advice=_OTHERS) from None
        return set()
    except ValueError:
        said = None
    if not isinstance(said, dict) or not isinstance(names := said.get("files"), list):
        raise ConfigError(f"{path} is not a list of ours", advice=_OTHERS)
    return {name for name in names if isinstance(name, str) and _OURS.fullmatch(name)}


def _listed(names: Collection[str]) -> bytes:
    return json.dumps({"vmbackup_site": 1, "files": sorted(names)}, indent=1).encode() + b"\n"


def _write(path: Path, content: bytes) -> None:
    """Give a file its content in one step; one that has it already stays as it is."""
    with suppress(FileNotFoundError):
        if not path.is_symlink() and path.read_bytes() == content:
            return
    beside = _beside(path)
    # What a death has left there is written anew.
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o666)
    with open(descriptor, "wb") as file:  # noqa: PTH123 - a Path cannot hold a descriptor
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.partial")
