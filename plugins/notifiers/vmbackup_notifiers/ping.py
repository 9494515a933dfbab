"""A dead man's switch by the protocol of healthchecks.io: it raises an alarm where no sign of life comes in time."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from pydantic import Field

from vmbackup import Notifier, Report, Run, exit_code, report_text
from vmbackup_notifiers.subject import subject
from vmbackup_notifiers.web import Address, Web, WebSettings

# What the service keeps of a body, in bytes.
_MOST: Final = 100_000
# A sign of life that comes later than this says nothing about now: it is only logged.
_FRESH: Final = timedelta(hours=1)


class PingSettings(WebSettings):
    """The address of the check, and how a failure is told."""

    failed: Literal["fail", "exit-code"] = Field(
        default="fail", description="what follows the address where a run failed: /fail, or its exit code"
    )


class Ping(Notifier[PingSettings]):
    """A sign of life for a dead man's switch, as healthchecks.io and its like take it."""

    name = "ping"
    Settings = PingSettings

    def started(self, run: Run) -> None:
        """Tell that a run begins. Raises NotifyError unless it was taken."""
        self._send(run, "start", f"{run.job} begins\n")

    def notify(self, report: Report) -> None:
        """Tell what came of it. Raises NotifyError unless it was taken."""
        self._send(report.run, self._signal(report), f"{subject(report)}\n\n{report_text(report)}")

    def _signal(self, report: Report) -> str:
        if datetime.now(UTC) - report.finished > _FRESH:
            return "log"
        if report.result in {"good", "warnings"}:
            return ""
        return "fail" if self.settings.failed == "fail" else str(exit_code(report))

    def _send(self, run: Run, signal: str, text: str) -> None:
        web = Web(self.label, self.settings)
        address = web.address()
        if signal:
            address = address.below(signal)
        web.post(_of_run(address, run), text.encode()[:_MOST], {"Content-Type": "text/plain; charset=utf-8"})


def _of_run(address: Address, run: Run) -> Address:
    """Name the run, so that the service joins its start and its end, also where two runs overlap."""
    return address.asking(f"rid={uuid.uuid5(uuid.NAMESPACE_OID, ascii(run.id))}")
