"""Tells everyone about a moment; the only caller of moments. What one raises costs the others nothing."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path

from vmbackup.contracts import Notifier, Reporter
from vmbackup.hooks import Hooks
from vmbackup.models import VM
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
        notifiers: Iterable[Notifier[Settings]],
        hooks: Hooks,
    ) -> None:
        """`reporters` and `notifiers` are those that the job names, in its order, `hooks` the site's own commands."""
        self._hooks = registry.hooks
        self._reporters = tuple(reporters)
        self._notifiers = tuple(notifiers)
        self.hooks = hooks
        self.failures: list[Failure] = []

    def run_started(self, run: Run) -> None:
        """Tell that a run begins."""
        self._tell("vmbackup_run_started", run=run)
        self.hooks.run_started(run)

    def vm_started(self, run: Run, vm: VM) -> None:
        """Tell that a VM's backup begins."""
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

    def run_finished(self, report: Report) -> Report:
        """Tell that the run is over, reporters before notifiers; return the report with what went wrong in telling."""
        report = replace(report, warnings=report.warnings + self._taken())
        self._tell("vmbackup_run_finished", report=report)
        self.hooks.run_finished(report)
        report = replace(report, warnings=report.warnings + self._taken())
        for reporter in self._reporters:
            self._guard(f"reporter {reporter.label}", partial(reporter.write, report))
        for notifier in self._notifiers:
            self._guard(f"notifier {notifier.label}", partial(notifier.notify, report))
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
            self._guard(f"{moment} of {implementation.plugin_name}", partial(implementation.function, *given))

    def _guard(self, who: str, call: Callable[[], object]) -> None:
        try:
            with traced(who):
                call()
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a listener may raise anything, even exit
            self.failures.append(Failure.of(who, error))
