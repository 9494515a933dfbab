"""What docs/reports.md says is so."""

import re
import subprocess
from pathlib import Path

from vmbackup import Report, report_text
from vmbackup_reporters.prometheus import HELPS
from vmbackup_reporters.status_log import lines

PAGE = (Path(__file__).parents[3] / "docs" / "reports.md").read_text()


def blocks(language: str) -> list[str]:
    found: list[tuple[str, str]] = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    return [text for of, text in found if of == language]


def test_every_metric_has_its_place_in_the_table() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| `vmbackup_")]
    assert {name for row in rows for name in re.findall(r"vmbackup_[a-z_]+", row)} == set(HELPS)


def test_the_alarms_are_rules_that_prometheus_takes(tmp_path: Path) -> None:
    (rules,) = blocks("yaml")
    (tmp_path / "rules.yml").write_text(rules)
    command = ["promtool", "check", "rules", str(tmp_path / "rules.yml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "3 rules found" in done.stdout
    assert set(re.findall(r"vmbackup_[a-z_]+", rules)) <= set(HELPS)


def test_the_text_that_is_shown_is_one_that_is_written(report: Report) -> None:
    (shown,) = (block for block in blocks("") if "kept  verified" in block)
    assert set(shown.splitlines()) - set(report_text(report).splitlines()) == set()


def test_the_lines_that_are_shown_are_lines_that_are_written(report: Report) -> None:
    def parts(line: str) -> tuple[str, ...]:
        """What does not hang on the machine."""
        _, what, _, *rest = line.split(",")
        return (what, *rest)

    (shown,) = (block for block in blocks("") if "vmbackup.py" in block)
    assert {parts(line) for line in shown.splitlines()} <= {parts(line) for line in lines(report)}
