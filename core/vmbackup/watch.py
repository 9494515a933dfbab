"""Who looks on while a run is under way: the terminal, a log, or nobody. Told often, and from several threads."""

from typing import Protocol

from vmbackup.plan import Plan, Task
from vmbackup.results import Failure, Report, VMResult


class Watcher(Protocol):
    """What the command line shows of a run while it goes on. Plugins listen to moments instead."""

    def planned(self, plan: Plan) -> None:
        """The plan is made and the run begins."""

    def step(self, task: Task, name: str) -> None:
        """A VM's backup has come to a step."""

    def sent(self, task: Task, size: int) -> None:
        """The pool has sent so many more bytes of a VM's image."""

    def vm_done(self, result: VMResult) -> None:
        """A VM is done."""

    def warned(self, warning: Failure) -> None:
        """Something went wrong that harms no backup."""

    def finished(self, report: Report) -> None:
        """The run is over, and everyone has been told."""


class Nobody:
    """Shows nothing."""

    def planned(self, plan: Plan) -> None:
        """Show nothing."""

    def step(self, task: Task, name: str) -> None:
        """Show nothing."""

    def sent(self, task: Task, size: int) -> None:
        """Show nothing."""

    def vm_done(self, result: VMResult) -> None:
        """Show nothing."""

    def warned(self, warning: Failure) -> None:
        """Show nothing."""

    def finished(self, report: Report) -> None:
        """Show nothing."""
