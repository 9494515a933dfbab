"""The reporters that come with vmbackup."""

from collections.abc import Iterable

from vmbackup import Plugin, Settings, hookimpl
from vmbackup_reporters.html_report import HtmlReport
from vmbackup_reporters.json_report import JsonReport
from vmbackup_reporters.prometheus import Prometheus
from vmbackup_reporters.status_log import StatusLog
from vmbackup_reporters.text import Text


@hookimpl
def vmbackup_register() -> Iterable[type[Plugin[Settings]]]:
    """Bring `html`, `json`, `prometheus`, `status-log` and `text`."""
    return (HtmlReport, JsonReport, Prometheus, StatusLog, Text)
