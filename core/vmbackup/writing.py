"""What is said where a disk of ours does not take what is written to it."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from vmbackup.errors import ConfigError


@contextlib.contextmanager
def writable(path: Path) -> Iterator[None]:
    """Raise ConfigError, naming the file, where something in the `with` could not be written."""
    try:
        yield
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be written: {error.strerror or error}",
            advice="Make room there, or name another state folder with --state or VMBACKUP_STATE.",
        ) from error
