"""What the mark of a standing copy says, and what makes a copy somebody's own."""

import json

import pytest

from vmbackup.xapi.marks import OWNER, STANDS
from vmbackup.xapi.standing import Standing, Tables, claim, is_spare, standing
from vmbackup.xapi.wire import Record

MARK = Standing(
    copy="c0b1",
    installation="here",
    job='a/b "c"',
    vm="f00d",
    name="web (copy)",
    made="2026-01-01T00:00:00+00:00",
    booted="2025-12-01T00:00:00+00:00",
)
VM: Record = {
    "uuid": "c0b1",
    "name_label": "web (copy)",
    "power_state": "Halted",
    "is_a_snapshot": False,
    "is_a_template": False,
    "snapshots": [],
    "metrics": "metrics",
    "VBDs": ["disk", "cd", "empty"],
    "other_config": {STANDS: str(MARK)},
}
VDI: Record = {
    "uuid": "d15c",
    "name_label": "root",
    "is_a_snapshot": False,
    "snapshots": [],
    "VBDs": ["disk"],
    "other_config": {OWNER: "run/d15c"},
}
VBDS = {
    "disk": {"type": "Disk", "empty": False, "VDI": "vdi"},
    "cd": {"type": "CD", "empty": False, "VDI": "iso"},
    "empty": {"type": "Disk", "empty": True, "VDI": "OpaqueRef:NULL"},
}


def tables(vdi: Record = VDI, start: str = "20251201T00:00:00Z") -> Tables:
    return {"VBD": VBDS, "VDI": {"vdi": vdi}, "VM_metrics": {"metrics": {"start_time": start}}}


def claimed(vm: Record, found: Tables) -> str:
    return claim(vm, found, names=[MARK.name], booted=MARK.booted)


def test_a_copy_that_nobody_has_touched() -> None:
    assert standing(VM) == MARK
    assert claimed(VM, tables()) == ""
    assert is_spare(VM, tables())


@pytest.mark.parametrize(
    ("vm", "found", "words"),
    [
        ({"power_state": "Suspended"}, tables(), "it is suspended"),
        ({}, tables(start="20260301T00:00:00Z"), "it has been started"),
        ({"metrics": "gone"}, tables(), "it has been started"),
        ({"snapshots": ["s"]}, tables(), "it has snapshots"),
        ({"is_a_template": True}, tables(), "it is a template"),
        ({"name_label": "web"}, tables(), "it was called 'web (copy)'"),
        ({}, tables({**VDI, "other_config": {}}), "its disk 'root' is none of those that it was made with"),
        ({}, tables({**VDI, "other_config": {OWNER: "run/other"}}), "its disk 'root' is none of those"),
        ({}, tables({**VDI, "is_a_snapshot": True}), "its disk 'root' is none of those"),
        ({}, tables({**VDI, "snapshots": ["s"]}), "its disk 'root' has snapshots"),
        ({}, tables({**VDI, "VBDs": ["disk", "another"]}), "another VM has its disk 'root' too"),
    ],
)
def test_what_makes_it_somebodys(vm: Record, found: Tables, words: str) -> None:
    assert claimed({**VM, **vm}, found).startswith(words)
    assert not is_spare({**VM, **vm}, found)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "copied",
        "[]",
        "7",
        '{"copy": "c0b1"}',
        json.dumps({**json.loads(str(MARK)), "more": ""}),
        str(MARK).replace('"c0b1"', '"other"'),
    ],
)
def test_what_is_no_mark_of_a_copy(value: str) -> None:
    vm = {**VM, "other_config": {STANDS: value}}
    assert standing(vm) is None
    assert not is_spare(vm, tables())


def test_a_snapshot_has_the_mark_by_copy() -> None:
    assert standing({**VM, "is_a_snapshot": True}) is None


def test_a_copy_that_is_under_way_is_no_vm_either() -> None:
    unmarked = {**VM, "other_config": {}}
    assert is_spare({**unmarked, "name_label": "vmbackup-0123456789abcdef-00000000c0b1"}, tables())
    assert is_spare({**unmarked, "other_config": {OWNER: "run/c0b1"}}, tables())
    assert not is_spare({**unmarked, "other_config": {OWNER: "run/c0b1"}}, tables({**VDI, "other_config": {}}))
    assert not is_spare(unmarked, tables())


@pytest.mark.parametrize(
    ("other", "goes"),
    [
        ({"copy": "old", "made": "2025-12-31T23:59:59+00:00"}, True),
        ({"copy": "old", "made": "2026-01-01T00:00:01+00:00"}, False),
        ({"made": "2025-12-31T23:59:59+00:00"}, False),
        ({"copy": "old", "made": "2025-12-31T23:59:59+00:00", "job": "another"}, False),
        ({"copy": "old", "made": "2025-12-31T23:59:59+00:00", "vm": "another"}, False),
        ({"copy": "old", "made": "2025-12-31T23:59:59+00:00", "installation": "there"}, False),
    ],
)
def test_whose_place_it_takes(other: dict[str, str], goes: bool) -> None:  # noqa: FBT001 - a parameter of the test
    found = Standing.parse(json.dumps({**json.loads(str(MARK)), **other}))
    assert found is not None
    assert MARK.succeeds(found) is goes
