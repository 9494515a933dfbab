import stat
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from vmbackup import NotifyError, Report, TargetError
from vmbackup_reporters.html_report import HtmlReport, HtmlReportSettings

NAME = "weekend-20260314T220000Z-3f9ac0de12345678.html"


@pytest.fixture
def reporter(tmp_path: Path) -> HtmlReport:
    return HtmlReport("www", HtmlReportSettings(path=tmp_path))


def test_a_page_is_written_for_its_owner_alone(reporter: HtmlReport, report: Report, tmp_path: Path) -> None:
    reporter.write(report)
    assert [path.name for path in tmp_path.iterdir()] == [NAME]
    assert stat.S_IMODE((tmp_path / NAME).stat().st_mode) == 0o600
    assert "<!DOCTYPE html>" in (tmp_path / NAME).read_text()


def test_earlier_runs_are_drawn(reporter: HtmlReport, report: Report, tmp_path: Path) -> None:
    run = report.run
    before = replace(report, run=replace(run, id="0" * 16, started=run.started - timedelta(days=7)))
    reporter.meet(lambda: [before])
    reporter.write(report)
    assert "The last 2 runs" in (tmp_path / NAME).read_text()
    assert "<svg" in (tmp_path / NAME).read_text()


def test_a_past_that_cannot_be_read_costs_the_charts_alone(
    reporter: HtmlReport, report: Report, tmp_path: Path
) -> None:
    def away() -> Sequence[Report]:
        raise TargetError("target nas: no route to host")

    reporter.meet(away)
    reporter.write(report)
    assert "could not be read: target nas: no route to host" in (tmp_path / NAME).read_text()


def test_a_folder_that_is_not_there_is_an_error_and_not_made(report: Report, tmp_path: Path) -> None:
    reporter = HtmlReport("www", HtmlReportSettings(path=tmp_path / "absent"))
    with pytest.raises(NotifyError, match=r"reporter www: .*No such file") as raised:
        reporter.write(report)
    assert raised.value.advice
    assert list(tmp_path.iterdir()) == []


def test_relative_paths_are_refused() -> None:
    with pytest.raises(ValidationError):
        HtmlReportSettings.model_validate({"path": "reports"})
