"""A report as one JSON file, for machines."""

import json

from pydantic import Field, TypeAdapter

from vmbackup import Report, Reporter, Settings
from vmbackup_reporters.place import OWNER_ALONE, AbsolutePath, file_name, publish

REPORT: TypeAdapter[Report] = TypeAdapter(Report)


class JsonReportSettings(Settings):
    """Where the files go."""

    path: AbsolutePath = Field(description="an absolute path; the folder must exist")


class JsonReport(Reporter[JsonReportSettings]):
    """One JSON file for each run, in a folder of this machine, readable by its owner alone."""

    name = "json"
    Settings = JsonReportSettings

    def write(self, report: Report) -> None:
        """Write `JOB-TIME-RUN.json`, seen only when it is whole. Raises NotifyError if it cannot be written."""
        content = json.dumps(REPORT.dump_python(report, mode="json"), indent=1, ensure_ascii=False) + "\n"
        # What no UTF-8 can hold, such as part of a path, no reader of JSON need take.
        data = content.encode(errors="replace")
        publish(self.label, self.settings.path / file_name(report, ".json"), data, OWNER_ALONE)


def schema() -> str:
    """Return the JSON Schema of what this reporter writes, as it is published in docs/report.schema.json."""
    described = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **REPORT.json_schema(mode="serialization"),
        "title": "A report of vmbackup, version 1",
    }
    return json.dumps(described, indent=1, ensure_ascii=False) + "\n"
