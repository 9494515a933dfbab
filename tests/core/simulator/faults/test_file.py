import dataclasses
from pathlib import Path

import pytest

from vmbackup.simulator import CallFails, CallHook, Cut, Outage, RuleError, Stall, load_rules
from vmbackup.simulator.faults.file import KINDS, describe, parse_rule

TEXT = """
[[fault]]
kind = "Cut"
after = 1048576
task = "pending"
nth = "every"

[[fault]]
kind = "CallFails"
method = "VM.snapshot"
code = "SR_BACKEND_FAILURE_44"
params = ["", "full", ""]
about = "OpaqueRef:1"
onwards = true

[[fault]]
kind = "Stall"
path = "/import"
after = 5
seconds = 2
progress = "moves"

[[fault]]
kind = "Outage"
seconds = "for ever"
"""


def test_rules_are_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(TEXT)
    assert load_rules(path) == [
        Cut(after=1048576, task="pending", nth=None),
        CallFails(
            method="VM.snapshot",
            code="SR_BACKEND_FAILURE_44",
            params=("", "full", ""),
            about="OpaqueRef:1",
            onwards=True,
        ),
        Stall(path="/import", after=5, seconds=2.0, progress="moves"),
        Outage(),
    ]
    path.write_text("")
    assert load_rules(path) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[fault]\n", "rules.toml: "),
        ("x = 1\n", "unknown key 'x'; rules are tables"),
        ("[fault]\nkind = 'Cut'\n", "two brackets"),
        ("[[fault]]\nafter = 1\n", "fault 1: kind is missing"),
        ("[[fault]]\nkind = 'Unauthorised'\n[[fault]]\nkind = 'Cutt'\n", "fault 2: unknown kind 'Cutt'; is Cut meant?"),
        ("[[fault]]\nkind = 'BodyHook'\n", "from Python only"),
        ("[[fault]]\nkind = 'BodyRule'\n", "unknown kind 'BodyRule'"),
        ("[[fault]]\nkind = 'Cut'\naftr = 1\n", "Cut has no argument 'aftr'; is after meant?"),
        ("[[fault]]\nkind = 'Cut'\n", "Cut needs after"),
        ("[[fault]]\nkind = 'Cut'\nafter = '1'\n", "after is of type int, not '1'"),
        ("[[fault]]\nkind = 'Cut'\nafter = true\n", "after is of type int, not True"),
        ("[[fault]]\nkind = 'Cut'\nafter = 1\ntask = 'gone'\n", "task is one of failure, success, pending, not 'gone'"),
        ("[[fault]]\nkind = 'TaskFails'\nparams = 'x'\n", "params is a list of strings, not 'x'"),
        ("[[fault]]\nkind = 'Stall'\nafter = 1\nseconds = 'long'\n", "seconds is of type float, not 'long'"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(text)
    with pytest.raises(RuleError) as caught:
        load_rules(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)


def test_every_rule_can_be_written_down_and_read_again() -> None:
    assert len(KINDS) == 31
    for kind in KINDS.values():
        wanted = {one.name: one for one in dataclasses.fields(kind) if one.default is dataclasses.MISSING}
        samples = {"method": "VM.snapshot", "code": "SR_FULL", "seconds": 1.5}
        rule = parse_rule({"kind": kind.__name__, **{name: samples.get(name, 7) for name in wanted}})
        described = describe(rule)
        again = {key: list(value) if isinstance(value, tuple) else value for key, value in described.items()}
        assert parse_rule(again) == rule


def test_a_rule_with_a_function_is_described_all_the_same() -> None:
    assert describe(CallHook(method="VM.start", run=print))["run"] == "<built-in function print>"
