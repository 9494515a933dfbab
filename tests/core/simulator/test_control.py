import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.core.simulator.client import Client

from vmbackup.simulator import RuleError, Simulator
from vmbackup.simulator.control import Control, ask


@pytest.fixture
def folder(tmp_path: Path, sim: Simulator) -> Iterator[Path]:
    deep = tmp_path / ("long" * 40)
    deep.mkdir()
    control = Control(sim, deep)
    yield deep
    control.close()
    assert not (deep / "control.sock").exists()


def test_rules_are_added_listed_and_taken_back(folder: Path, sim: Simulator, xapi: Client) -> None:
    first = ask(folder, "add", rule={"kind": "CallFails", "method": "VM.get_all", "code": "NO", "nth": "every"})
    second = ask(folder, "add", rule={"kind": "Stall", "after": 5, "seconds": None})
    with pytest.raises(Exception, match="NO"):
        xapi("VM.get_all")
    listed: Any = ask(folder, "list")
    assert [(one["number"], one["seen"], one["rule"]["kind"]) for one in listed] == [
        (first, 1, "CallFails"),
        (second, 0, "Stall"),
    ]
    assert listed[1]["rule"]["seconds"] == "for ever"
    ask(folder, "clear", number=first)
    assert xapi("VM.get_all")
    ask(folder, "clear")
    assert ask(folder, "list") == sim.faults.armed() == []


def test_the_simulators_own_verbs(folder: Path, sim: Simulator, xapi: Client) -> None:
    assert ask(folder, "coalesce") == 0
    ask(folder, "expire")
    with pytest.raises(Exception, match="SESSION_INVALID"):
        xapi("VM.get_all")
    before = sim.clock.seconds()
    ask(folder, "advance", seconds=3600)
    assert sim.clock.seconds() - before > 3599
    host = sim.hosts[0].address
    ask(folder, "down", host=host)
    with pytest.raises(OSError):  # noqa: PT011  refused or reset, as the moment has it
        Client(sim)
    ask(folder, "up", host=host)
    assert Client(sim)("VM.get_all")


@pytest.mark.parametrize(
    ("verb", "arguments", "message"),
    [
        ("dance", {}, "verb is one of add, clear, list"),
        ("add", {}, "a rule is a table"),
        ("add", {"rule": {"kind": "Cut"}}, "Cut needs after"),
        ("clear", {"number": 77}, "no rule has the number 77"),
        ("clear", {"number": "x"}, "number is the number of a rule"),
        ("advance", {}, "seconds is a number"),
        ("down", {"host": "192.0.2.1"}, "host is one of 127.0.0.1"),
    ],
)
def test_what_cannot_be_done_is_answered(folder: Path, verb: str, arguments: dict[str, object], message: str) -> None:
    with pytest.raises(RuleError, match=message):
        ask(folder, verb, **arguments)
    assert ask(folder, "list") == []


def test_a_line_that_is_no_json_is_answered_and_the_next_is_read(folder: Path, sim: Simulator) -> None:
    assert (folder / "control.sock").stat().st_mode & 0o777 == 0o600
    with socket.socket(socket.AF_UNIX) as connection:
        link = Path("/tmp") / f"vmbackup-control-{sim.hosts[0].uuid}"
        link.symlink_to(folder)
        try:
            connection.connect(str(link / "control.sock"))
        finally:
            link.unlink()
        connection.sendall(b'no json\n[1]\n{"verb": "list"}\n')
        with connection.makefile("r") as lines:
            answers = [lines.readline() for _ in range(3)]
    assert [answer.partition(":")[0] for answer in answers] == ['{"error"', '{"error"', '{"ok"']
