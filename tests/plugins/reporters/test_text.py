import stat
from pathlib import Path

import pytest
from pydantic import ValidationError

from vmbackup import Report, report_text
from vmbackup_reporters.text import Text, TextSettings


def test_the_file_is_the_text_of_the_report_for_its_owner_alone(report: Report, tmp_path: Path) -> None:
    Text("summaries", TextSettings(path=tmp_path)).write(report)
    (path,) = tmp_path.iterdir()
    assert path.name == "weekend-20260314T220000Z-3f9ac0de12345678.txt"
    assert path.read_text() == report_text(report)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_relative_paths_are_refused() -> None:
    with pytest.raises(ValidationError):
        TextSettings.model_validate({"path": "reports"})
