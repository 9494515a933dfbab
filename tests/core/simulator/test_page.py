"""The page about the simulator names tests that are there."""

import re
from pathlib import Path

import pytest

from vmbackup.simulator import faults
from vmbackup.simulator.faults.file import KINDS

ROOT = Path(__file__).parents[3]
HERE = Path(__file__).parent
PAGE = (ROOT / "docs" / "simulator.md").read_text()
NAMED = sorted(set(re.findall(r"`([\w/]+\.py)(?:::(\w+))?`", PAGE)))
RULES = re.findall(r"`([A-Z]\w+)`", PAGE.partition("### 9 Faults")[2].partition("### 10")[0])


def test_the_page_names_many_tests() -> None:
    assert len(NAMED) > 80


@pytest.mark.parametrize(("file", "test"), NAMED)
def test_a_test_that_the_page_names_is_there(file: str, test: str) -> None:
    text = ((ROOT if file.startswith("tests/") else HERE) / file).read_text()
    assert (f"\ndef {test}(" if test else "\ndef test_") in text


def test_every_rule_is_on_the_page() -> None:
    by_hand = {"CallHook", "BodyHook", "BodyTap"}
    assert {name for name in RULES if hasattr(faults, name)} == set(KINDS) | by_hand


def test_every_file_of_tests_is_on_the_page() -> None:
    told = {file for file, _ in NAMED}
    tests = {path.relative_to(HERE).as_posix() for path in HERE.rglob("test_*.py")}
    assert tests - told == {"test_page.py"}
