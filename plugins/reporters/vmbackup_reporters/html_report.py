"""A report as one HTML page, for people; needs nothing beside itself."""

from collections.abc import Sequence

from pydantic import Field

from vmbackup import Past, Report, Reporter, Settings, VmbackupError, report_page
from vmbackup_reporters.place import OWNER_ALONE, AbsolutePath, file_name, publish


class HtmlReportSettings(Settings):
    """Where the pages go."""

    path: AbsolutePath = Field(description="an absolute path; the folder must exist")


class HtmlReport(Reporter[HtmlReportSettings]):
    """One HTML page for each run, in a folder of this machine, readable by its owner alone."""

    name = "html"
    Settings = HtmlReportSettings
    _past: Past | None = None

    def meet(self, past: Past) -> None:
        """Keep the way to earlier runs, for the charts."""
        self._past = past

    def write(self, report: Report) -> None:
        """Write `JOB-TIME-RUN.html`, seen only when it is whole. Raises NotifyError if it cannot be written."""
        past, away = self._earlier()
        page = report_page(report, past, away).encode()
        publish(self.label, self.settings.path / file_name(report, ".html"), page, OWNER_ALONE)

    def _earlier(self) -> tuple[Sequence[Report], str]:
        """Return earlier runs, or why there are none: that costs the charts, not the page."""
        if self._past is None:
            return (), ""
        try:
            return self._past(), ""
        except VmbackupError as error:
            return (), error.message
