"""Entries for systemd's journal, with fields to search by, in its own protocol (JOURNAL_NATIVE_PROTOCOL.md)."""

import contextlib
import logging
import os
import socket
from collections.abc import Callable, Mapping
from pathlib import Path

SOCKET = Path("/run/systemd/journal/socket")
# What systemd takes for the priority of a line (sd-daemon(3)).
ERROR = "<3>"
# syslog(3).
PRIORITIES = {logging.ERROR: 3, logging.WARNING: 4, logging.INFO: 6}
# A datagram must hold the entry; only the words of an error may be long.
LONGEST = 48 << 10


def is_connected(stream: str, descriptor: int) -> bool:
    """Say whether a descriptor is the one that systemd has connected to the journal.

    `stream` is `$JOURNAL_STREAM`: the device and inode of that one (systemd.exec(5)).
    """
    with contextlib.suppress(OSError):
        found = os.fstat(descriptor)
        return stream == f"{found.st_dev}:{found.st_ino}"
    return False


def entry(fields: Mapping[str, str]) -> bytes:
    """Return the datagram of an entry: what has a line break in it is given with its length."""
    parts = []
    for name, value in fields.items():
        data = value.encode(errors="replace")[:LONGEST]
        if b"\n" in data:
            parts.append(name.encode() + b"\n" + len(data).to_bytes(8, "little") + data + b"\n")
        else:
            parts.append(name.encode() + b"=" + data + b"\n")
    return b"".join(parts)


class JournalHandler(logging.Handler):
    """Sends each line to the journal; where that takes none, it is written as it would be elsewhere."""

    def __init__(
        self,
        otherwise: logging.Handler,
        facts: Callable[[logging.LogRecord], Mapping[str, object]],
        place: Path = SOCKET,
    ) -> None:
        """`facts` are what a line is about; each becomes a field `VMBACKUP_…`."""
        super().__init__()
        self._otherwise = otherwise
        self._facts = facts
        self._place = place

    def emit(self, record: logging.LogRecord) -> None:
        """Send it. The journal knows the time and the process itself."""
        fields = {
            "MESSAGE": record.getMessage(),
            "PRIORITY": str(PRIORITIES.get(record.levelno, 6)),
            "SYSLOG_IDENTIFIER": "vmbackup",
            **{f"VMBACKUP_{name.upper()}": str(value) for name, value in self._facts(record).items()},
        }
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
                line.sendto(entry(fields), os.fspath(self._place))
        except OSError:
            self._otherwise.handle(record)
