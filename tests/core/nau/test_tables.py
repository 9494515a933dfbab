"""Every row of the tables of what NAU VMbackup 3.25 and 3.0 selected; where ours is another, the message says so."""

import re

import pytest
from tests.core.nau.readings import outcome, reading

from vmbackup.errors import ConfigError
from vmbackup.nau.reading import Dialect

PROD = ["PROD-web", "PROD-db", "PROD-big"]
DEV = ["DEV-RH6", "DEV-RH7", "DEV-SUSE"]
LANS = ["web.lan", "web.lan-old", "web-lan"]
POOL = [*PROD, *DEV, "PROXY1", *LANS, "Win (test)", "my vm"]
OLD_POOL = ["DEV-RH6", "DEV-RH7", "PROD-big", "PROD-ub12", "PROD-ub14", "PROD-Win", "web1", "web10"]
Kept = dict[str, int]


def kept(names: list[str], copies: int = 4) -> Kept:
    return dict.fromkeys(names, copies)


# number, lines, copies by vdi-export, copies by vm-export, what is said
SELECTS: list[tuple[str, str, Kept, Kept, str]] = [
    ("1", "vm-export=DEV-RH6:2", {}, {"DEV-RH6": 2}, ""),
    ("2", "vm-export=PROD.* ; vm-export=DEV-RH.*:3", {}, kept(PROD) | kept(DEV[:2], 3), ""),
    ("3", "vm-export=PROD*", {}, kept([*PROD, "PROXY1"]), ""),
    ("5", "vm-export=.*", {}, kept(POOL), ""),
    (
        "6",
        "vm-export=DEV-RH6:1 ; vm-export=DEV.*",
        {},
        kept(DEV),
        r"weekend\.cfg:1: vm-export=DEV-RH6: its own number of copies is lost, for line 2 takes the same",
    ),
    ("7", "vm-export=DEV.*:2 ; vm-export=DEV-RH6:5", {}, {"DEV-RH6": 5, "DEV-RH7": 2, "DEV-SUSE": 2}, ""),
    ("8", "vdi-export=PROD-big ; vm-export=PROD.*", {"PROD-big": 4}, kept(PROD[:2]), ""),
    ("9", "vm-export=PROD.* ; vdi-export=PROD-big", {"PROD-big": 4}, kept(PROD[:2]), ""),
    ("10", "vdi-export=PROD-big:7 ; vm-export=PROD.*", {"PROD-big": 7}, kept(PROD[:2]), ""),
    (
        "11",
        "vdi-export=DEV-RH6 ; vm-export=DEV-RH6 ; vm-export=DEV-RH6:2",
        {"DEV-RH6": 4},
        {},
        r"cfg:2: .* vdi-export on line 1 goes before",
    ),
    (
        "12",
        "vdi-export=DEV-RH6:3 ; vm-export=DEV-RH6 ; vm-export=DEV-RH6:2",
        {"DEV-RH6": 3},
        {},
        r"cfg:3: vm-export=DEV-RH6: vdi-export on line 1 goes before; NAU could back such a VM up both ways",
    ),
    ("13", "vdi-export=DEV.* ; vdi-export=DEV-RH6:7", kept(DEV) | {"DEV-RH6": 7}, {}, ""),
    ("14", "exclude=PROD-db ; vm-export=PROD.*", {}, kept(["PROD-web", "PROD-big"]), ""),
    ("15", "vm-export=PROD.* ; exclude=PROD-db", {}, kept(["PROD-web", "PROD-big"]), ""),
    ("16", "vdi-export=DEV.* ; exclude=DEV-RH7", kept(["DEV-RH6", "DEV-SUSE"]), {}, ""),
    (
        "17",
        "exclude=DEV.* ; exclude=DEV-RH6 ; vm-export=.*",
        {},
        kept([name for name in POOL if name not in DEV]),
        "",
    ),
    (
        "18",
        "vm-export=web.lan",
        {},
        kept(LANS),
        r"cfg:1: vm-export=web.lan: read as a regular expression, and so it takes 'web.lan-old', 'web-lan' as well",
    ),
    ("19", r"vm-export=web\.lan$", {}, {"web.lan": 4}, ""),
    (
        "20",
        "vm-export=my vm ; vm-export=Win (test)",
        {},
        {"my vm": 4},
        r"cfg:2: vm-export=Win \(test\): there is no such VM; it is read as a regular expression, and the VM of just",
    ),
    ("20, mended", r"vm-export=Win \(test\)", {}, {"Win (test)": 4}, ""),
    ("21", "vm-export=my vm", {}, {"my vm": 4}, ""),
    (
        "21, in quotes",
        'vm-export="my vm"',
        {},
        {"my vm": 4},
        r"cfg:1: .* the quotes are left off; NAU took them for a part of the name, and found no such VM",
    ),
    ("22", "vm-export=", {}, kept(POOL), ""),
    ("22, disks", "vdi-export= ; vm-export=my vm", {}, {"my vm": 4}, r"cfg:1: vdi-export=: nothing is taken"),
    ("22, disks and copies", "vdi-export=:3", kept(POOL, 3), {}, ""),
    ("23, mended", "vm-export=(DEV|PROD)-.*:2", {}, kept([*PROD, *DEV], 2), ""),
    (
        "27",
        "exclude=DEV-RH6:2 ; vm-export=DEV.*",
        {},
        kept(DEV),
        r"cfg:1: exclude=DEV-RH6:2: the colon belongs to the name(.|\n)*there is no such VM, and nothing is left out",
    ),
    (
        "28",
        "vm-export=my vm ; vm-export=DEV-RH6 : 2",
        {},
        {"my vm": 4},
        r"cfg:2: .* the blank before the colon belongs to the name(.|\n)*there is no VM 'DEV-RH6 ' in the pool",
    ),
    ("28, mended", "vm-export=DEV-RH6: 2", {}, {"DEV-RH6": 2}, ""),
    ("29", "vm-export=DEV-RH6:2:9", {}, {"DEV-RH6": 2}, r"cfg:1: .* only the number behind the first colon counts"),
    ("30", "vm-export=DEV-RH6:0", {}, {"DEV-RH6": 4}, r"cfg:1: .* 0 copies stands for max_backups, as it did"),
    ("30, less", "vm-export=DEV-RH6:-1", {}, {"DEV-RH6": 4}, r"-1 copies stands for max_backups"),
    (
        "32",
        "vm-export=my vm ; vm-export=dev-rh6",
        {},
        {"my vm": 4},
        r"cfg:2: vm-export=dev-rh6: there is no such VM(.|\n)*there is no VM 'dev-rh6' in the pool",
    ),
    ("32, mended", "vm-export=(?i)dev-rh6", {}, {"DEV-RH6": 4}, ""),
]


@pytest.mark.parametrize(
    ("lines", "disks", "wholes", "said"), [row[1:] for row in SELECTS], ids=[r[0] for r in SELECTS]
)
def test_a_row_that_selects(lines: str, disks: Kept, wholes: Kept, said: str) -> None:
    found = outcome(lines, POOL)
    expected = {name: ("vdi-export", copies) for name, copies in disks.items()}
    expected |= {name: ("vm-export", copies) for name, copies in wholes.items()}
    assert found.taken == expected
    assert found.measure == expected, "the old rules, computed apart from our own, say the same"
    assert re.search(said, found.said)
    if not said:
        assert found.said == "", "nothing is said where there is nothing to say"


ERRORS = [
    ("4", "vm-export=*", r"'\*' is not a regular expression: nothing to repeat .*all VMs are \.\* here"),
    ("23", "vm-export=(?:DEV|PROD)-.*", r"'\(\?' is not a regular expression.*so write \(a\|b\)"),
    ("31", "vm-export=DEV-RH6:abc", r"'abc' is no whole number of copies"),
    (
        "31, no VM",
        "vm-export=nosuch:abc",
        r"'abc' is no whole number of copies \(NAU looked at it only where there was",
    ),
    ("31, half", "vm-export=nosuch:2.5", "'2.5' is no whole number"),
    ("34", "vm-export=PRD-[aA.*", r"'PRD-\[aA\.\*' is not a regular expression: unterminated"),
    ("C++", "vm-export=C++", r"two counts after each other at '\+\+'; a plus sign itself is"),
]


@pytest.mark.parametrize(("lines", "message"), [row[1:] for row in ERRORS], ids=[row[0] for row in ERRORS])
def test_a_row_that_is_an_error_is_one_with_its_place(lines: str, message: str) -> None:
    with pytest.raises(ConfigError, match=rf"^weekend\.cfg:1: .*{message}"):
        reading(lines)


@pytest.mark.parametrize(
    ("lines", "pool", "copies"),
    [
        ("vm-export=db.*", ["db", "db:5"], 4),
        ("vm-export=.*", ["x:y", "a"], 4),
        ("vm-export=.*:3", ["db:5"], 3),
    ],
    ids=["24", "25", "26"],
)
def test_a_colon_in_a_name_is_a_part_of_it_and_the_message_says_that_it_was_not(
    lines: str, pool: list[str], copies: int
) -> None:
    found = outcome(lines, pool)
    assert found.taken == dict.fromkeys(pool, ("vm-export", copies))
    (colon,) = [name for name in pool if ":" in name]
    assert f"{colon!r} is backed up; NAU could not tell a VM whose name has a colon" in found.said


def test_row_33_where_all_is_left_out_there_is_nothing_to_do() -> None:
    found = outcome("exclude=.* ; vm-export=DEV-RH6", POOL)
    assert found.taken == found.measure == {}
    assert "the job takes no VM of this pool" in found.said


def test_row_35_two_vms_of_one_name_are_an_error_where_they_are_named_and_the_others_go_on() -> None:
    found = outcome("vm-export=A ; vm-export=B", ["A", "A", "B"])
    assert set(found.taken) == {"B"}
    assert "'A' is the name of 2 VMs" in found.said


def test_row_35_a_wildcard_takes_both_and_says_so() -> None:
    found = outcome("vm-export=.*", ["A", "A", "B"])
    assert [task.vm.name for task in found.plan.tasks] == ["A", "A", "B"]
    assert "2 VMs are called 'A'; each is backed up in a folder of its own" in found.said


OLD: list[tuple[str, Kept, Kept, str]] = [
    (
        "vdi-export=PROD-big ; vm-export=PROD* ; vm-export=DEV-RH*:3 ; exclude=PROD-ub12",
        {"PROD-big": 4},
        {"PROD-ub14": 4, "PROD-Win": 4, "DEV-RH6": 3, "DEV-RH7": 3},
        "",
    ),
    ("vm-export=DEV-RH6:1 ; vm-export=DEV-RH*", {}, {"DEV-RH6": 1, "DEV-RH7": 4}, ""),
    ("vm-export=DEV-RH* ; vm-export=DEV-RH6:1", {}, {"DEV-RH6": 1, "DEV-RH7": 4}, ""),
    (
        "vm-export=DEV-RH*:2 ; vm-export=DEV-RH*:5",
        {},
        kept(["DEV-RH6", "DEV-RH7"], 2),
        r"cfg:2: .* is lost, for line 1 takes the same, and the first line counts",
    ),
    (
        "vm-export=web10 ; vm-export=web*",
        {},
        kept(["web1", "web10"]),
        r"cfg:2: vm-export=web\*: 'web1' is backed up; NAU 3.0 left it out where 'web10' is named",
    ),
    (
        "vm-export=web1 ; vm-export=web1",
        {},
        {"web1": 4},
        r"cfg:2: .* NAU 3.0 would back it up twice; it is backed up once",
    ),
    ("vm-export=*", {}, kept(OLD_POOL), ""),
    (
        "vm-export=web1 ; exclude=DEV*",
        {},
        {"web1": 4},
        r"cfg:2: exclude=DEV\*: there is no such VM, and nothing is left out",
    ),
    (
        "vm-export=web1 ; vm-export=*web",
        {},
        {"web1": 4},
        r"cfg:2: vm-export=\*web: there is no such VM(.|\n)*there is no VM 'name:\*web' in the pool",
    ),
    ("vm-export=PROD.*", {}, kept(["PROD-big", "PROD-ub12", "PROD-ub14", "PROD-Win"]), ""),
]


@pytest.mark.parametrize(("lines", "disks", "wholes", "said"), OLD, ids=[row[0] for row in OLD])
def test_a_row_of_3_0(lines: str, disks: Kept, wholes: Kept, said: str) -> None:
    found = outcome(lines, OLD_POOL, Dialect.V3_0)
    expected = {name: ("vdi-export", copies) for name, copies in disks.items()}
    expected |= {name: ("vm-export", copies) for name, copies in wholes.items()}
    assert found.taken == found.measure == expected
    assert re.search(said, found.said)
    if not said:
        assert found.said == ""


def test_an_empty_name_of_3_0_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"^weekend\.cfg:1: vm-export=: no VM has an empty name"):
        reading("vm-export=", Dialect.V3_0)


def test_of_two_lines_of_3_0_with_one_name_more_copies_count() -> None:
    found = outcome("vm-export=web1:2 ; vm-export=web1:6", OLD_POOL, Dialect.V3_0)
    assert found.taken == found.measure == {"web1": ("vm-export", 6)}
