"""The lines that NAU VMbackup wrote to its status log, for those who have programs that read them.

A line is `YYYY/MM/DD HH:MM:SS,WHAT,HOST,begin|end,DETAIL`, in local time (VmBackup.py: status_log_write).
"""

import fcntl
import os
import socket
import stat
from collections.abc import Iterator
from datetime import datetime, timedelta

from pydantic import Field

from vmbackup import Failure, NotifyError, Report, Reporter, Settings, VMResult, plain
from vmbackup_reporters.place import ALL_READ, AbsolutePath, unwritten

_RUN = "vmbackup.py"
_GIB = 1 << 30
# By the step that failed; what is none of these was never told apart.
_WORDS = {
    "vdi-export": {"snapshot": "VDI-SNAPSHOT-FAIL", "export": "VDI-EXPORT-FAIL", "store": "VDI-EXPORT-FAIL"},
    "vm-export": {"snapshot": "SNAPSHOT-FAIL", "export": "VM-EXPORT-FAIL", "store": "VM-EXPORT-FAIL"},
}


class StatusLogSettings(Settings):
    """Which file grows."""

    path: AbsolutePath = Field(description="an absolute path of a file; its folder must exist")


class StatusLog(Reporter[StatusLogSettings]):
    """The lines of NAU VMbackup's status log, appended to a file."""

    name = "status-log"
    Settings = StatusLogSettings

    def write(self, report: Report) -> None:
        """Append the lines of a run, all or none of them. Raises NotifyError if they cannot be appended."""
        path = self.settings.path
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, ALL_READ)
            with open(descriptor, "r+b", buffering=0):  # noqa: PTH123 - a Path cannot hold a descriptor
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise NotifyError(f"reporter {self.label}: {path} is no file", advice="Name a file of its own.")
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                _append(descriptor, "".join(f"{line}\n" for line in lines(report)).encode())
        except OSError as error:
            raise unwritten(self.label, path, error) from error


def lines(report: Report) -> Iterator[str]:
    """Yield the lines of a run."""
    host = socket.gethostname().partition(".")[0]
    yield f"{_time(report.run.started)},{_RUN},{host},begin"
    for result in report.results:
        what, ended = plain(result.method), result.started + timedelta(seconds=result.seconds)
        yield f"{_time(result.started)},{what},{host},begin,{_name(result.vm)}"
        yield f"{_time(ended)},{what},{host},end,{_detail(result)}"
    warnings, errors = len(report.all_warnings), report.failed
    word = "ERROR" if errors or report.interrupted is not None else "WARNING" if warnings else "SUCCESS"
    yield f"{_time(report.finished)},{_RUN},{host},end,{word},S:{report.succeeded} W:{warnings} E:{errors}"


def _detail(result: VMResult) -> str:
    if not result.good:
        return f"{_word(result.method, _failure(result))} {_name(result.vm)}"
    size = max(outcome.backup.size for outcome in result.outcomes if outcome.backup)
    word = "WARNING" if result.warnings else "SUCCESS"
    return f"{word} {_name(result.vm)},elapse:{int(result.seconds // 60)} size:{size // _GIB}G"


def _failure(result: VMResult) -> Failure | None:
    return next((outcome.failure for outcome in result.outcomes if outcome.failure), None)


def _word(method: str, failure: Failure | None) -> str:
    words = _WORDS.get(method, _WORDS["vm-export"])
    return words.get(failure.step, "ERROR-INTERNAL") if failure else "ERROR-INTERNAL"


def _name(name: str) -> str:
    """Return a VM's name without the comma that would make two fields of it."""
    return plain(name).replace(",", "_")


def _time(moment: datetime) -> str:
    return f"{moment.astimezone():%Y/%m/%d %H:%M:%S}"


def _append(descriptor: int, data: bytes) -> None:
    """Append to a locked file. Raises OSError, with the file as it was."""
    size = os.fstat(descriptor).st_size
    if size and os.pread(descriptor, 1, size - 1) != b"\n":
        # Somebody's line was cut: it is not to swallow the next.
        data = b"\n" + data
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    except OSError:
        os.ftruncate(descriptor, size)
        raise
