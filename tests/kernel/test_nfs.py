"""Takes the tests below `inside` to a kernel that has NFS, one file at a time, and tells what came of each test."""

import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from tests.kernel.room import PROJECT, run

INSIDE = Path(__file__).with_name("inside")
FILES = sorted(INSIDE.glob("test_*.py"))
SECONDS = 400


@pytest.mark.timeout(SECONDS + 60)
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem.removeprefix("test_"))
def test_in_a_kernel_with_nfs(file: Path, tmp_path: Path) -> None:
    results = tmp_path / "results.xml"
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:cov", "--tb=short"]
    where = [f"--confcutdir={INSIDE}", f"--junit-xml={results}", str(file.relative_to(PROJECT))]
    ended = run([*command, *where], tmp_path, SECONDS)
    assert ended.status == 0, f"{ended.output}\nThe kernel's console:\n{ended.console[-4000:]}"
    cases = list(ET.parse(results).iter("testcase"))  # noqa: S314 - written by our own pytest a moment ago
    assert cases
    assert [case.get("name") for case in cases if len(case.findall("skipped"))] == [], "skipped inside"
