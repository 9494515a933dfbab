"""Tells everyone about a moment; the only caller of moments. What one does wrong costs the others nothing.

Plugins are called one at a time, on a thread that is not the main one.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path

from vmbackup.containment import Contained, Ended
from vmbackup.contracts import Past, Reporter
from vmbackup.errors import Interrupted
from vmbackup.hooks import Hooks
from vmbackup.models import VM
from vmbackup.post import Post
from vmbackup.registry import Registry
from vmbackup.results import Backup, Failure, Report, Run, VMResult
from vmbackup.settings import Settings
from vmbackup.trace import traced


class Listeners:
    """Those who hear of a run: whoever implements a moment, the site's commands, the job's reporters and notifiers."""

    def __init__(
        self,
        registry: Registry,
        reporters: Iterable[Reporter[Settings]],
        post: Post,
        hooks: Hooks,
        patience: float,
    ) -> None:
        """`reporters` are those that the job names, in its order, `post` has its notifiers, `hooks` are the site's.

        `patience` is how long one of the plugins may take for one call, in seconds.
        """
        self._hooks = registry.hooks
        self._reporters = tuple(reporters)
        self._post = post
        self.hooks = hooks
        self.failures = [
            Failure(
                "plugins", "PluginError", f"{failed.distribution} ({failed.entry_point}) did not load: {failed.reason}"
            )
            for failed in registry.failures
        ]
        self.failures += registry.warnings
        self._contained = Contained(patience)
        self._hanging: set[str] = set()

    def run_started(self, run: Run) -> None:
        """Tell that a run begins."""
        self._tell("vmbackup_run_started", run=run)
        self.hooks.run_started(run)
        self.failures += self._post.run_started(run, self._called)

    def vm_started(self, run: Run, vm: VM) -> None:
        """Tell that a VM's backup begins."""
        self._post.vm_started(vm)
        self._tell("vmbackup_vm_started", run=run, vm=vm)
        self.hooks.vm_started(run, vm)

    def backup_stored(self, run: Run, backup: Backup, path: Path | None) -> None:
        """Tell that a backup is published; `path` is where its folder is on this machine, if it is."""
        self._tell("vmbackup_backup_stored", run=run, backup=backup)
        self.hooks.backup_stored(run, backup, path)

    def vm_finished(self, run: Run, result: VMResult) -> None:
        """Tell that a VM is done."""
        self._tell("vmbackup_vm_finished", run=run, result=result)
        self.hooks.vm_finished(run, result)

    def run_finished(self, report: Report, past: Past = tuple) -> Report:
        """Tell that the run is over, reporters before notifiers; return the report with what went wrong in telling.

        `past` gives reporters the earlier runs of the job.
        """
        report = replace(report, warnings=report.warnings + self._taken())
        self._tell("vmbackup_run_finished", report=report)
        self.hooks.run_finished(report)
        report = replace(report, warnings=report.warnings + self._taken())
        for reporter in self._reporters:
            self._guard(
                f"reporter {reporter.label}", f"meeting of reporter {reporter.label}", partial(reporter.meet, past)
            )
            self._guard(name := f"reporter {reporter.label}", name, partial(reporter.write, report))
        self.failures += self._post.run_finished(report, self._called)
        self._contained.close()
        return replace(report, warnings=report.warnings + self._taken())

    def _taken(self) -> tuple[Failure, ...]:
        """Return what has gone wrong in telling since this was last asked."""
        taken = (*self.failures, *self.hooks.failures)
        self.failures.clear()
        self.hooks.failures.clear()
        return taken

    def _tell(self, moment: str, **facts: object) -> None:
        for implementation in reversed(getattr(self._hooks.hook, moment).get_hookimpls()):
            given = [facts[name] for name in implementation.argnames]
            name = implementation.plugin_name
            self._guard(name, f"{moment} of {name}", partial(implementation.function, *given))

    def _guard(self, plugin: str, who: str, call: Callable[[], object]) -> None:
        """Call a plugin, and keep what there is to say about that."""
        if ended := self._called(plugin, who, call):
            self.failures += ended.said

    def _called(self, plugin: str, who: str, call: Callable[[], object]) -> Ended[object] | None:
        """Call a plugin, unless an earlier call of it has not ended."""
        if plugin in self._hanging:
            return None
        try:
            ended = self._contained.call(who, partial(_traced, who, call))
        except Interrupted:
            self._hanging.add(plugin)
            raise
        if ended.hangs:
            self._hanging.add(plugin)
        if ended.value is not None:
            kind = type(ended.value).__name__
            returned = Failure(who, "Returned", f"it has returned a {kind}, which nobody takes")
            return replace(ended, changes=(*ended.changes, returned))
        return ended


def _traced(who: str, call: Callable[[], object]) -> object:
    with traced(who):
        return call()
