"""How the lines of an old configuration look in ours: as plain as they can be."""

import pytest
from tests.core.nau.readings import job, reading

from vmbackup.nau.reading import Dialect


def matches(lines: str, dialect: Dialect = Dialect.V3_25) -> list[str]:
    return [entry.match for entry in job(reading(lines, dialect)).vms]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("vm-export=web", ["web"]),
        ("vm-export=.*", ["*"]),
        ("vm-export=PROD.* ; vm-export=DEV-RH.*:3", ["PROD*", "DEV-RH*"]),
        (r"vm-export=web\.lan", ["web.lan*"]),
        (r"vm-export=web\.lan$", [r"/web\.lan$(?s:.*)/"]),
        ("vm-export=DEV.*:2 ; vm-export=DEV-RH6:5", ["DEV*", "DEV-RH6"]),
        ("vm-export=DEV-RH6:1 ; vm-export=DEV.*", ["DEV*"]),
        ("vm-export=DEV.*:2 ; vm-export=DEV-RH.*:5", ["DEV*", "DEV-RH*"]),
        ("vm-export=DEV-RH.*:5 ; vm-export=DEV.*:2", ["DEV*"]),
        ("vdi-export=PROD.* ; vm-export=.*", ["PROD*", "*"]),
        ("vdi-export=.*1 ; vm-export=PROD.*", ["/.*1(?s:.*)/", "/(?!.*1)PROD(?s:.*)/"]),
        ('vm-export="tag:x"', ["/tag:x(?s:.*)/"]),
    ],
)
def test_entries_of_3_25(lines: str, expected: list[str]) -> None:
    assert matches(lines) == expected


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("vm-export=DEV-RH6:1 ; vm-export=DEV*", ["DEV-RH6", "DEV*"]),
        ("vm-export=DEV*:2 ; vm-export=DEV-RH*:5", ["DEV*"]),
        ("vm-export=DEV-RH*:5 ; vm-export=DEV*:2", ["DEV-RH*", "DEV*"]),
        ("vm-export=a.b ; vm-export=x?*", ["name:a.b", r"/x\?(?s:.*)/"]),
        ("vm-export=uuid:3", ["uuid"]),
    ],
)
def test_entries_of_3_0(lines: str, expected: list[str]) -> None:
    assert matches(lines, Dialect.V3_0) == expected


def test_an_exclude_that_looks_like_a_tag_is_none() -> None:
    (exclude,) = job(reading("exclude=tag:x ; vm-export=.*")).exclude
    assert exclude.match == "/tag:x(?s:.*)/"
