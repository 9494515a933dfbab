"""What is seen of a run while it goes on: live lines on a terminal, plain lines in a log, or JSON lines."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from pydantic import TypeAdapter
from rich.text import Text

from vmbackup.cli.live_view import live_view
from vmbackup.cli.log_lines import LogLines
from vmbackup.cli.logs import Wish, logger_for
from vmbackup.cli.output import console, name
from vmbackup.cli.screen import Screen
from vmbackup.live import Board
from vmbackup.plan import Plan, Task
from vmbackup.records import REPORT
from vmbackup.results import Failure, Report, VMResult
from vmbackup.watch import Nobody, Watcher

VM_RESULT: TypeAdapter[VMResult] = TypeAdapter(VMResult)


@contextmanager
def for_people(board: Board, wish: Wish) -> Iterator[Watcher]:
    """Give the watcher that fits where standard output goes, and what was wished for, until the end of the `with`."""
    out = console()
    if wish.live(terminal=out.is_terminal and not out.is_dumb_terminal):

        def draw(width: int, height: int) -> list[Text]:
            picture = board.picture()
            return live_view(picture, width, height) if picture else []

        with Screen(out, draw) as screen:
            yield LiveLines(screen)
    else:
        yield LogLines(logger_for(wish), summary_follows=wish.summary)


class LiveLines(Nobody):
    """What is said above the lines that the screen draws."""

    def __init__(self, screen: Screen) -> None:
        """`screen` draws already."""
        self._screen = screen

    def planned(self, plan: Plan) -> None:
        """Say what cannot be done."""
        for problem in plan.problems:
            self._screen.say(f"[red]problem[/] {name(problem.message)}")

    def warned(self, warning: Failure) -> None:
        """Say it."""
        self._screen.say(f"[yellow]warning[/] {name(warning.step)}: {name(warning.message)}")

    def finished(self, report: Report) -> None:
        """Take the lines away: the summary follows."""
        del report
        self._screen.close()


class JsonLines(Nobody):
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
