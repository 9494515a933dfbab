"""Plugins that are no distributions: each Python file in a folder that the configuration names.

Whoever may write such a file has code run by vmbackup, so that it must be safe from others: the file, its folder and
all folders above. The bytes that are run are those of the file that was checked, and nothing is written beside them.
"""

import os
import stat
import sys
from collections.abc import Iterable, Iterator
from functools import partial
from hashlib import sha256
from pathlib import Path
from types import ModuleType

from vmbackup.errors import PluginError
from vmbackup.plugin_sources import Source

MODULE = "vmbackup_file_"


def files_in(folders: Iterable[Path]) -> Iterator[Source]:
    """Yield the plugin files of each folder; one that is refused is a source that raises why when it is loaded."""
    for folder in folders:
        try:
            _refuse_unsafe(folder)
            found = sorted(path for path in folder.iterdir() if path.suffix == ".py" and path.name[0] not in "._")
        except (PluginError, OSError) as error:
            yield Source(folder.name, str(folder), "", partial(_refused, error))
        else:
            yield from (Source(path.name, str(path), "", partial(load_file, path)) for path in found)


def load_file(path: Path) -> ModuleType:
    """Run a plugin file as a module whose name follows from its path. Raises PluginError if it is not safe to run."""
    _refuse_unsafe(path)
    # Opened without waiting for the other end, should it be a pipe.
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    with open(descriptor, "rb") as file:  # noqa: PTH123 - a Path cannot hold a descriptor
        _refuse(path, os.fstat(descriptor))
        code = file.read()
    module = ModuleType(MODULE + sha256(os.fsencode(path)).hexdigest()[:16])
    module.__file__ = str(path)
    # Where classes are looked up by their module: dataclasses, pydantic, pickle.
    sys.modules[module.__name__] = module
    try:
        exec(compile(code, str(path), "exec", dont_inherit=True), module.__dict__)  # noqa: S102 - what plugins are for
    except BaseException:
        del sys.modules[module.__name__]
        raise
    return module


def files_of(kind: type) -> tuple[Path, ...]:
    """Return the file that another process has to load before it can unpickle a `kind`, if it came from one."""
    if not kind.__module__.startswith(MODULE):
        return ()
    return (Path(str(sys.modules[kind.__module__].__file__)),)


def _refused(error: Exception) -> object:
    raise error


def _refuse_unsafe(path: Path) -> None:
    """Raise PluginError if others than root and us could put something else at `path`."""
    _refuse(path, path.lstat())
    for folder in path.parents:
        # In a sticky folder others can neither remove nor rename what is not theirs.
        _refuse(folder, folder.lstat(), allowed=stat.S_ISVTX)


def _refuse(path: Path, status: os.stat_result, allowed: int = 0) -> None:
    if stat.S_ISLNK(status.st_mode):
        raise PluginError(f"{path} is a link; name the folder itself, and copy the file")
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        raise PluginError(f"{path} is neither a file nor a folder")
    if status.st_uid not in {0, os.geteuid()}:
        raise PluginError(f"{path} belongs to another user, who could have any code run", advice=f"chown {path}")
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not status.st_mode & allowed:
        raise PluginError(f"{path}: others than its owner may write there", advice=f"chmod go-w {path}")
