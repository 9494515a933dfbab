"""What every reporter promises."""

from collections.abc import Callable
from pathlib import Path

import pytest

from vmbackup.testing import ReporterContract
from vmbackup_reporters.json_report import JsonReport, JsonReportSettings


class TestJson(ReporterContract):
    @pytest.fixture
    def reporter(self, tmp_path: Path) -> JsonReport:
        return JsonReport("archive", JsonReportSettings(path=tmp_path))

    @pytest.fixture
    def failing_reporter(self, tmp_path: Path) -> JsonReport:
        return JsonReport("archive", JsonReportSettings(path=tmp_path / "absent"))

    @pytest.fixture
    def written(self, tmp_path: Path) -> Callable[[], bytes]:
        return lambda: b"".join(path.read_bytes() for path in tmp_path.iterdir())
