"""The contract as a plugin author meets it: a file of tests with one fixture, and pytest."""

import subprocess
import sys
from pathlib import Path

FILE = """
import pytest
from {module} import {kind}
from vmbackup.testing import TargetContract
from vmbackup_targets.local import LocalSettings

class TestMine(TargetContract):
    @pytest.fixture
    def target(self, tmp_path):
        with {kind}("mine", LocalSettings(path=tmp_path)) as entered:
            yield entered
"""


def run(folder: Path, module: str, kind: str) -> subprocess.CompletedProcess[str]:
    file = folder / "test_mine.py"
    file.write_text(FILE.format(module=module, kind=kind))
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "-ra", f"--rootdir={folder}", str(file)]
    return subprocess.run(command, check=False, capture_output=True, text=True, cwd=Path(__file__).parents[3])


def test_a_target_that_keeps_its_promises_passes_with_one_fixture(tmp_path: Path) -> None:
    done = run(tmp_path, "vmbackup_targets.local", "Local")
    assert done.returncode == 0, done.stdout
    assert "20 passed, 2 skipped" in done.stdout
    assert "no fixture `small_target`" in done.stdout


def test_a_target_that_breaks_one_fails_by_its_name(tmp_path: Path) -> None:
    done = run(tmp_path, "tests.core.broken_targets", "Overwrites")
    assert done.returncode == 1, done.stdout
    assert "1 failed, 19 passed" in done.stdout
    (failed,) = [line for line in done.stdout.splitlines() if line.startswith("FAILED")]
    assert "TestMine::test_keeps_the_promise[refuses_a_second_store]" in failed
    assert "PromiseBroken: storing under a key that is taken was not refused" in done.stdout
