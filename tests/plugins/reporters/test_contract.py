"""What every reporter promises."""

from collections.abc import Callable
from pathlib import Path

import pytest

from vmbackup.testing import ReporterContract
from vmbackup_reporters.html_report import HtmlReport, HtmlReportSettings
from vmbackup_reporters.json_report import JsonReport, JsonReportSettings
from vmbackup_reporters.prometheus import Prometheus, PrometheusSettings
from vmbackup_reporters.status_log import StatusLog, StatusLogSettings
from vmbackup_reporters.text import Text, TextSettings


class InFolder(ReporterContract):
    """What they share: all that is written lies in one folder."""

    @pytest.fixture
    def written(self, tmp_path: Path) -> Callable[[], bytes]:
        return lambda: b"".join(path.read_bytes() for path in tmp_path.iterdir())


class TestJson(InFolder):
    @pytest.fixture
    def reporter(self, tmp_path: Path) -> JsonReport:
        return JsonReport("archive", JsonReportSettings(path=tmp_path))

    @pytest.fixture
    def failing_reporter(self, tmp_path: Path) -> JsonReport:
        return JsonReport("archive", JsonReportSettings(path=tmp_path / "absent"))


class TestText(InFolder):
    @pytest.fixture
    def reporter(self, tmp_path: Path) -> Text:
        return Text("summaries", TextSettings(path=tmp_path))

    @pytest.fixture
    def failing_reporter(self, tmp_path: Path) -> Text:
        return Text("summaries", TextSettings(path=tmp_path / "absent"))


class TestStatusLog(InFolder):
    @pytest.fixture
    def reporter(self, tmp_path: Path) -> StatusLog:
        return StatusLog("lines", StatusLogSettings(path=tmp_path / "status.log"))

    @pytest.fixture
    def failing_reporter(self, tmp_path: Path) -> StatusLog:
        return StatusLog("lines", StatusLogSettings(path=tmp_path / "absent" / "status.log"))


class TestPrometheus(InFolder):
    @pytest.fixture
    def reporter(self, tmp_path: Path) -> Prometheus:
        return Prometheus("metrics", PrometheusSettings(path=tmp_path))

    @pytest.fixture
    def failing_reporter(self, tmp_path: Path) -> Prometheus:
        return Prometheus("metrics", PrometheusSettings(path=tmp_path / "absent"))


class TestHtml(ReporterContract):
    @pytest.fixture
    def reporter(self, tmp_path: Path) -> HtmlReport:
        return HtmlReport("www", HtmlReportSettings(path=tmp_path))

    @pytest.fixture
    def failing_reporter(self, tmp_path: Path) -> HtmlReport:
        return HtmlReport("www", HtmlReportSettings(path=tmp_path / "absent"))

    @pytest.fixture
    def written(self, tmp_path: Path) -> Callable[[], bytes]:
        return lambda: b"".join(path.read_bytes() for path in tmp_path.iterdir())
