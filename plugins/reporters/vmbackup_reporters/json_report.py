"""A report as one JSON file, for machines."""

import json
import os
import re
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator, Field, TypeAdapter

from vmbackup import NotifyError, Report, Reporter, Settings

SCHEMA: Final = "vmbackup-report/1"
REPORT: TypeAdapter[Report] = TypeAdapter(Report)


def _absolute(path: Path) -> Path:
    if not path.is_absolute():
        raise ValueError("give an absolute path: vmbackup may be started anywhere")
    return path


class JsonReportSettings(Settings):
    """Where the files go."""

    path: Annotated[Path, AfterValidator(_absolute)] = Field(description="an absolute path; the folder must exist")


class JsonReport(Reporter[JsonReportSettings]):
    """One JSON file for each run, in a folder of this machine, readable by its owner alone."""

    name = "json"
    Settings = JsonReportSettings

    def write(self, report: Report) -> None:
        """Write `JOB-TIME-RUN.json`, seen only when it is whole. Raises NotifyError if it cannot be written."""
        content = {"schema": SCHEMA, **REPORT.dump_python(report, mode="json")}
        path = self.settings.path / file_name(report)
        try:
            _publish(path, json.dumps(content, indent=1).encode() + b"\n")
        except OSError as error:
            raise NotifyError(
                f"reporter {self.label}: the report could not be written: {error.strerror} ({path})",
                advice="The folder must exist, have room, and be writable by the user who runs vmbackup.",
            ) from error


def file_name(report: Report) -> str:
    """Return the name of a report's file: the job, the start in UTC, the run; no character that could mean a path."""
    run = report.run
    return re.sub(r"[^A-Za-z0-9._-]", "-", f"{run.job}-{run.started:%Y%m%dT%H%M%SZ}-{run.id}.json")


def _publish(path: Path, content: bytes) -> None:
    beside = path.with_name(f".{secrets.token_hex(8)}.partial")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123 - a Path cannot hold a descriptor
            os.fchmod(descriptor, 0o600)
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
