"""Files on this machine that a reporter writes: whole or not at all, and never through a link."""

import os
import re
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator

from vmbackup import NotifyError, Report

OWNER_ALONE, ALL_READ = 0o600, 0o644


def _absolute(path: Path) -> Path:
    if not path.is_absolute():
        raise ValueError("give an absolute path: vmbackup may be started anywhere")
    return path


AbsolutePath = Annotated[Path, AfterValidator(_absolute)]


def file_name(report: Report, suffix: str) -> str:
    """Return the name of a report's file: the job, the start in UTC, the run; no character that could mean a path."""
    run = report.run
    return as_part(f"{run.job}-{run.started:%Y%m%dT%H%M%SZ}-{run.id}{suffix}")


def as_part(name: str) -> str:
    """Return a name without characters that could mean a path or a hidden file."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", name).lstrip(".")


def publish(label: str, path: Path, content: bytes, mode: int) -> None:
    """Write a file, seen only when it is whole, in the place of an older one. Raises NotifyError."""
    try:
        _publish(path, content, mode)
    except OSError as error:
        raise unwritten(label, path, error) from error


def unwritten(label: str, path: Path, error: OSError) -> NotifyError:
    """Say which file could not be written, and what it takes."""
    return NotifyError(
        f"reporter {label}: the report could not be written: {error.strerror} ({path})",
        advice="The folder must exist, have room, and be writable by the user who runs vmbackup.",
    )


def _publish(path: Path, content: bytes, mode: int) -> None:
    beside = path.with_name(f".{secrets.token_hex(8)}.partial")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, OWNER_ALONE)
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123 - a Path cannot hold a descriptor
            os.fchmod(descriptor, mode)
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        beside.replace(path)
    except BaseException:
        with suppress(OSError):
            beside.unlink()
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
