"""What is seen of a run while it goes on: live lines on a terminal, plain lines in a log, or JSON lines."""

import json
import sys
from datetime import UTC, datetime
from typing import TextIO

from pydantic import TypeAdapter
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
)
from rich.progress import Task as RichTask
from rich.text import Text

from vmbackup.cli.output import console, duration, name, size
from vmbackup.metadata import one_line
from vmbackup.plan import Plan, Task
from vmbackup.records import REPORT
from vmbackup.results import Failure, Report, VMResult
from vmbackup.watch import Watcher

VM_RESULT: TypeAdapter[VMResult] = TypeAdapter(VMResult)


def watcher_for_people() -> Watcher:
    """Return the watcher that fits where standard output goes."""
    out = console()
    return LiveLines(out) if out.is_terminal else LogLines()


class Pace(ProgressColumn):
    """While bytes flow: how fast, and how long it may still take at most. At the end: how fast it was, and how long."""

    def render(self, task: RichTask) -> Text:
        """Return the column's text for a line."""
        if pace := task.fields.get("pace"):
            return Text(str(pace))
        if not task.speed:
            return Text("")
        left = f", {duration(task.time_remaining)} left" if task.time_remaining else ""
        return Text(f"{size(task.speed)}/s{left}")


class LiveLines:
    """A line a VM: its step, bytes, rate and the time that is left."""

    def __init__(self, out: Console) -> None:
        """`out` is a terminal."""
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            TextColumn("[cyan]{task.fields[step]}"),
            BarColumn(bar_width=24),
            DownloadColumn(binary_units=True),
            Pace(),
            console=out,
        )
        self._lines: dict[str, TaskID] = {}

    def planned(self, plan: Plan) -> None:
        """Begin to draw."""
        for problem in plan.problems:
            self._progress.console.print(f"[red]problem[/] {name(problem.message)}")
        self._progress.start()

    def step(self, task: Task, name_: str) -> None:
        """Show the step; the first one of a VM makes its line."""
        if task.vm.uuid not in self._lines:
            self._lines[task.vm.uuid] = self._progress.add_task(one_line(task.vm.name), total=task.estimate, step=name_)
        self._progress.update(self._lines[task.vm.uuid], step=name_)

    def sent(self, task: Task, number: int) -> None:
        """Move the bar."""
        self._progress.advance(self._lines[task.vm.uuid], number)

    def vm_done(self, result: VMResult) -> None:
        """Say how it ended. Holes are not sent, so the bar's end is what was."""
        word = "[green]good" if result.good else "[yellow]in part" if result.partly else "[red]failed"
        if result.uuid in self._lines:
            pace = f"{size(result.read / result.seconds)}/s in {duration(result.seconds)}" if result.read else ""
            line = self._lines[result.uuid]
            self._progress.update(line, step=word, total=result.read or 1, completed=result.read, pace=pace)

    def warned(self, warning: Failure) -> None:
        """Print it above the lines."""
        self._progress.console.print(f"[yellow]warning[/] {name(warning.step)}: {name(warning.message)}")

    def finished(self, report: Report) -> None:
        """Stop drawing."""
        del report
        self._progress.stop()


class LogLines:
    """One line an event, with its time in UTC: quiet enough for cron, plain enough for grep."""

    def planned(self, plan: Plan) -> None:
        """Say what the run will do."""
        self._line(f"job {plan.job}: {len(plan.tasks)} VMs to {', '.join(plan.targets)}")
        for problem in plan.problems:
            self._line(f"error plan {problem.message}")

    def step(self, task: Task, name_: str) -> None:
        """Nothing: steps are for those who look on."""

    def sent(self, task: Task, number: int) -> None:
        """Nothing: bytes are for those who look on."""

    def vm_done(self, result: VMResult) -> None:
        """One line for success, one for each failure."""
        for outcome in result.own_failures:
            if failure := outcome.failure:
                advice = f" ({failure.advice})" if failure.advice else ""
                self._line(f"error {result.vm}: {failure.step}: {failure.code}: {failure.message}{advice}")
        for outcome in result.outcomes:
            if outcome.backup:
                rate = result.read / result.seconds if result.seconds else 0.0
                self._line(
                    f"good {result.vm}: {result.method}, {size(result.read)} in {duration(result.seconds)},"
                    f" {size(rate)}/s, {outcome.backup.address}"
                )

    def warned(self, warning: Failure) -> None:
        """Say it."""
        self._line(f"warning {warning.step}: {warning.message}")

    def finished(self, report: Report) -> None:
        """Nothing: the summary follows."""

    def _line(self, text: str) -> None:
        sys.stdout.write(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {one_line(text)}\n")
        sys.stdout.flush()


class JsonLines:
    """One JSON object a line, each with a `message_type`; the last is the report."""

    def __init__(self, out: TextIO) -> None:
        """`out` is where the lines go."""
        self._out = out

    def planned(self, plan: Plan) -> None:
        """How many VMs, and what cannot be done."""
        self._line("plan", job=plan.job, vms=len(plan.tasks), problems=[problem.message for problem in plan.problems])

    def step(self, task: Task, name_: str) -> None:
        """The step that a VM has come to."""
        self._line("step", vm=task.vm.name, uuid=task.vm.uuid, step=name_)

    def sent(self, task: Task, number: int) -> None:
        """Nothing: the report has the sums."""

    def vm_done(self, result: VMResult) -> None:
        """The VM's whole result."""
        self._line("vm", **VM_RESULT.dump_python(result, mode="json"))

    def warned(self, warning: Failure) -> None:
        """The warning."""
        self._line("warning", step=warning.step, code=warning.code, message=warning.message)

    def finished(self, report: Report) -> None:
        """The whole report."""
        self._line("report", **REPORT.dump_python(report, mode="json"))

    def _line(self, message_type: str, **facts: object) -> None:
        self._out.write(json.dumps({"message_type": message_type, **facts}, ensure_ascii=False) + "\n")
        self._out.flush()
