"""Who looks on while a run is under way: the terminal, a log, or nobody. Told often, and from several threads."""

from collections.abc import Sequence
from typing import Protocol

from vmbackup.plan import Plan, Task
from vmbackup.results import Failure, Report, Run, VMResult
from vmbackup.stages import Stages


class Watcher(Protocol):
    """What the command line shows of a run while it goes on. Plugins listen to moments instead."""

    def began(self, run: Run) -> None:
        """A run holds the lock of its job, and nothing is known of its pool yet."""

    def planned(self, plan: Plan) -> None:
        """The plan is made and the run begins."""

    def step(self, task: Task, name: str) -> None:
        """A VM's backup has come to a step."""

    def streaming(self, task: Task, stages: Stages) -> None:
        """A VM's image begins to flow; `stages` can be asked meanwhile where its time goes."""

    def sent(self, task: Task, size: int) -> None:
        """The pool has sent so many more bytes of a VM's image."""

    def vm_done(self, result: VMResult) -> None:
        """A VM is done."""

    def doing(self, what: str) -> None:
        """The run is at something that is about no single VM."""

    def warned(self, warning: Failure) -> None:
        """Something went wrong that harms no backup."""

    def finished(self, report: Report) -> None:
        """The run is over, and everyone has been told."""


class Nobody(Watcher):
    """Shows nothing; who shows something says so for that alone."""

    def began(self, run: Run) -> None:
        """Show nothing."""

    def planned(self, plan: Plan) -> None:
        """Show nothing."""

    def step(self, task: Task, name: str) -> None:
        """Show nothing."""

    def streaming(self, task: Task, stages: Stages) -> None:
        """Show nothing."""

    def sent(self, task: Task, size: int) -> None:
        """Show nothing."""

    def vm_done(self, result: VMResult) -> None:
        """Show nothing."""

    def doing(self, what: str) -> None:
        """Show nothing."""

    def warned(self, warning: Failure) -> None:
        """Show nothing."""

    def finished(self, report: Report) -> None:
        """Show nothing."""


class Several(Watcher):
    """Several that look on, told one after the other."""

    def __init__(self, watchers: Sequence[Watcher]) -> None:
        """Tell them in this order."""
        self._watchers = watchers

    def began(self, run: Run) -> None:
        """Tell all."""
        for watcher in self._watchers:
            watcher.began(run)

    def planned(self, plan: Plan) -> None:
        """Tell all."""
        for watcher in self._watchers:
            watcher.planned(plan)

    def step(self, task: Task, name: str) -> None:
        """Tell all."""
        for watcher in self._watchers:
            watcher.step(task, name)

    def streaming(self, task: Task, stages: Stages) -> None:
        """Tell all."""
        for watcher in self._watchers:
            watcher.streaming(task, stages)

    def sent(self, task: Task, size: int) -> None:
        """Tell all."""
        for watcher in self._watchers:
            watcher.sent(task, size)

    def vm_done(self, result: VMResult) -> None:
        """Tell all."""
        for watcher in self._watchers:
            watcher.vm_done(result)

    def doing(self, what: str) -> None:
        """Tell all."""
        for watcher in self._watchers:
            watcher.doing(what)

    def warned(self, warning: Failure) -> None:
        """Tell all."""
        for watcher in self._watchers:
            watcher.warned(warning)

    def finished(self, report: Report) -> None:
        """Tell all."""
        for watcher in self._watchers:
            watcher.finished(report)
