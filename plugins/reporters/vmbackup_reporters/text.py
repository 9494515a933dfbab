"""A report as one text file, for people."""

from pydantic import Field

from vmbackup import Report, Reporter, Settings, report_text
from vmbackup_reporters.place import OWNER_ALONE, AbsolutePath, file_name, publish


class TextSettings(Settings):
    """Where the files go."""

    path: AbsolutePath = Field(description="an absolute path; the folder must exist")


class Text(Reporter[TextSettings]):
    """One text file for each run, in a folder of this machine, readable by its owner alone."""

    name = "text"
    Settings = TextSettings

    def write(self, report: Report) -> None:
        """Write `JOB-TIME-RUN.txt`, seen only when it is whole. Raises NotifyError if it cannot be written."""
        content = report_text(report).encode()
        publish(self.label, self.settings.path / file_name(report, ".txt"), content, OWNER_ALONE)
