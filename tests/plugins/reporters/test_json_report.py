import json
import os
import stat
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
from jsonschema import Draft202012Validator, FormatChecker
from pydantic import TypeAdapter, ValidationError

from vmbackup import NotifyError, Report
from vmbackup.conformance import reports
from vmbackup_reporters.json_report import JsonReport, JsonReportSettings, schema
from vmbackup_reporters.place import file_name

NAME = "weekend-20260314T220000Z-3f9ac0de12345678.json"


@pytest.fixture
def reporter(tmp_path: Path) -> JsonReport:
    return JsonReport("status", JsonReportSettings(path=tmp_path))


def test_the_file_is_the_report(reporter: JsonReport, report: Report, tmp_path: Path) -> None:
    reporter.write(report)
    assert [path.name for path in tmp_path.iterdir()] == [NAME]
    content = json.loads((tmp_path / NAME).read_bytes())
    assert content["vmbackup_report"] == 1
    assert TypeAdapter(Report).validate_python(content, strict=False) == report
    assert content["run"]["started"] == "2026-03-14T22:00:00Z"
    assert content["results"][1]["outcomes"][0]["failure"]["code"] == "TargetError"
    assert content["results"][0]["outcomes"][0]["backup"]["manifest"]["files"][0]["name"] == "image.xva.zst"


def test_only_its_owner_may_read_it(reporter: JsonReport, report: Report, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        reporter.write(report)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / NAME).stat().st_mode) == 0o600


def test_the_same_run_may_be_written_again(reporter: JsonReport, report: Report, tmp_path: Path) -> None:
    reporter.write(report)
    reporter.write(replace(report, interrupted=15))
    assert json.loads((tmp_path / NAME).read_bytes())["interrupted"] == 15


@pytest.mark.parametrize("job", ["../../etc/cron.d/x", "a/b", "a\nb", "a b"])
def test_no_name_leads_out_of_the_folder(job: str, reporter: JsonReport, report: Report, tmp_path: Path) -> None:
    hostile = replace(report, run=replace(report.run, job=job))
    assert "/" not in file_name(hostile, ".json")
    reporter.write(hostile)
    assert len(list(tmp_path.iterdir())) == 1


def test_hostile_names_are_data(reporter: JsonReport, report: Report, tmp_path: Path) -> None:
    hostile = replace(report.results[1], vm='"}\n\x00\u202e</script>')
    reporter.write(replace(report, results=(hostile,)))
    assert json.loads((tmp_path / NAME).read_bytes())["results"][0]["vm"] == hostile.vm


def test_what_is_no_utf_8_can_be_read_all_the_same(reporter: JsonReport, report: Report, tmp_path: Path) -> None:
    warning = replace(report.warnings[0], message="/mnt/\udcff: büro")
    reporter.write(replace(report, warnings=(warning,)))
    assert '"/mnt/?: büro"' in (tmp_path / NAME).read_text(encoding="utf-8")


def test_a_folder_that_is_not_there_is_an_error_and_not_made(report: Report, tmp_path: Path) -> None:
    reporter = JsonReport("status", JsonReportSettings(path=tmp_path / "absent"))
    with pytest.raises(NotifyError, match=r"reporter status: .*No such file") as raised:
        reporter.write(report)
    assert raised.value.exit_code == 1
    assert raised.value.advice
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_get_its_name_leaves_nothing(reporter: JsonReport, report: Report, tmp_path: Path) -> None:
    (tmp_path / NAME).mkdir()
    with pytest.raises(NotifyError):
        reporter.write(report)
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


def test_relative_paths_are_refused() -> None:
    with pytest.raises(ValidationError):
        JsonReportSettings.model_validate({"path": "reports"})


PUBLISHED = Path(__file__).parents[3] / "docs" / "report.schema.json"


def test_the_published_schema_is_that_of_the_reports() -> None:
    command = "python -c 'from vmbackup_reporters.json_report import schema; print(schema(), end=\"\")'"
    assert PUBLISHED.read_text() == schema(), f"it is written anew by: {command} > {PUBLISHED}"


def test_every_report_is_as_the_published_schema_says(report: Report, tmp_path: Path) -> None:
    described = json.loads(PUBLISHED.read_text())
    Draft202012Validator.check_schema(described)
    validator = Draft202012Validator(described, format_checker=FormatChecker())
    for number, told in enumerate((report, *reports().values())):
        folder = tmp_path / str(number)
        folder.mkdir()
        JsonReport("archive", JsonReportSettings(path=folder)).write(told)
        (path,) = folder.iterdir()
        validator.validate(json.loads(path.read_bytes()))


@pytest.mark.parametrize(
    "change",
    [
        {"vmbackup_report": 2},
        {"finished": 5},
        {"results": [{"vm": "web"}]},
        {"spaces": [{"target": "nas", "before": -1}]},
    ],
)
def test_the_published_schema_refuses_what_is_no_report(report: Report, change: dict[str, object]) -> None:
    content = TypeAdapter(Report).dump_python(report, mode="json")
    with pytest.raises(jsonschema.ValidationError):
        Draft202012Validator(json.loads(PUBLISHED.read_text())).validate({**content, **change})
