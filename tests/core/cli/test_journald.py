"""The journal's own protocol, against a real datagram socket."""

import logging
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from vmbackup.cli.journald import LONGEST, JournalHandler, entry, is_connected
from vmbackup.cli.logs import ForPeople, facts_of


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "socket"))
        listening.settimeout(60)
        yield listening


def fields(datagram: bytes) -> dict[str, str]:
    """Read an entry as journald does."""
    found = {}
    while datagram:
        line, _, rest = datagram.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if not equals:
            size = int.from_bytes(rest[:8], "little")
            value, rest = rest[8 : 8 + size], rest[8 + size + 1 :]
        found[name.decode()] = value.decode()
        datagram = rest
    return found


def logger(place: Path, otherwise: logging.Handler) -> logging.Logger:
    made = logging.getLogger("vmbackup.test-journald")
    made.setLevel(logging.INFO)
    made.propagate = False
    made.handlers = [JournalHandler(otherwise, facts_of, place)]
    return made


def test_an_entry_has_the_words_a_priority_and_what_it_is_about(journal: socket.socket, tmp_path: Path) -> None:
    facts = {"job": "weekend", "vm": "web=01\n\x1b日本", "step": ""}
    logger(tmp_path / "socket", logging.NullHandler()).error("error web:\nno", extra={"facts": facts})
    assert fields(journal.recv(1 << 20)) == {
        "MESSAGE": "error web:\nno",
        "PRIORITY": "3",
        "SYSLOG_IDENTIFIER": "vmbackup",
        "VMBACKUP_JOB": "weekend",
        "VMBACKUP_VM": "web=01\n\x1b日本",
    }


@pytest.mark.parametrize(("level", "priority"), [(logging.INFO, "6"), (logging.WARNING, "4"), (logging.ERROR, "3")])
def test_priorities(journal: socket.socket, tmp_path: Path, level: int, priority: str) -> None:
    logger(tmp_path / "socket", logging.NullHandler()).log(level, "x")
    assert fields(journal.recv(1 << 20))["PRIORITY"] == priority


def test_an_entry_is_never_too_long_for_a_datagram(journal: socket.socket, tmp_path: Path) -> None:
    logger(tmp_path / "socket", logging.NullHandler()).error("x" * (10 * LONGEST))
    assert len(fields(journal.recv(1 << 20))["MESSAGE"]) == LONGEST


def test_no_field_can_smuggle_in_another() -> None:
    assert fields(entry({"MESSAGE": "a\nPRIORITY=0", "VMBACKUP_VM": "\nMESSAGE=b"})) == {
        "MESSAGE": "a\nPRIORITY=0",
        "VMBACKUP_VM": "\nMESSAGE=b",
    }


def test_without_a_journal_the_line_is_written(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w") as file:
        plain = logging.StreamHandler(file)
        plain.setFormatter(ForPeople())
        logger(tmp_path / "nobody", plain).warning("warning cleanup: %s", "it is there")
    assert (tmp_path / "log").read_text().endswith("Z warning cleanup: it is there\n")


def test_only_a_descriptor_that_systemd_has_connected_is_the_journals(tmp_path: Path) -> None:
    with (tmp_path / "file").open("w") as file, (tmp_path / "other").open("w") as other:
        found = os.fstat(file.fileno())
        stream = f"{found.st_dev}:{found.st_ino}"
        assert is_connected(stream, file.fileno())
        assert not is_connected(stream, other.fileno())
        assert not is_connected("", file.fileno())
    assert not is_connected(stream, 999)


def test_in_a_process_of_its_own_the_format_is_seen_where_the_lines_go(tmp_path: Path) -> None:
    code = "from vmbackup.cli.logs import Wish; print(Wish().chosen)"
    for name, expected in (("out", "journal"), ("other", "text")):
        with (tmp_path / name).open("w+") as file:
            found = (tmp_path / "out").stat()
            env = {**os.environ, "JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"}
            subprocess.run([sys.executable, "-c", code], env=env, stdout=file, check=True)
        assert (tmp_path / name).read_text() == f"{expected}\n"


def test_what_stops_a_command_is_an_error_to_the_journal_as_well(tmp_path: Path) -> None:
    code = (
        "from vmbackup.cli.output import say_error; from vmbackup.errors import ConfigError as E; "
        "say_error(E('a\\nb', advice='c'))"
    )
    for name, mark in (("err", "<3>"), ("other", "")):
        with (tmp_path / name).open("w+") as file:
            found = (tmp_path / "err").stat()
            env = {**os.environ, "JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"}
            subprocess.run([sys.executable, "-c", code], env=env, stderr=file, check=True)
        assert (tmp_path / name).read_text() == f"{mark}vmbackup: a\n{mark}b\n{mark}  c\n"
