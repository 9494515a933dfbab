"""Tells everyone about a moment; the only caller of moments. What one raises costs the others nothing."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial

from vmbackup.contracts import Notifier, Reporter
from vmbackup.models import VM
from vmbackup.registry import Registry
from vmbackup.results import Backup, Failure, Report, Run, VMResult
from vmbackup.settings import Settings
from vmbackup.trace import traced


class Listeners:
    """The plugins that hear of a run: whoever implements a moment, and the reporters and notifiers of the job."""

    def __init__(
        self, registry: Registry, reporters: Iterable[Reporter[Settings]], notifiers: Iterable[Notifier[Settings]]
    ) -> None:
        """`reporters` and `notifiers` are those that the job names, in its order."""
        self._hooks = registry.hooks
        self._reporters = tuple(reporters)
        self._notifiers = tuple(notifiers)
        self.failures: list[Failure] = []

    def run_started(self, run: Run) -> None:
        """Tell that a run begins."""
        self._tell("vmbackup_run_started", run=run)

    def vm_started(self, run: Run, vm: VM) -> None:
        """Tell that a VM's backup begins."""
        self._tell("vmbackup_vm_started", run=run, vm=vm)

    def backup_stored(self, run: Run, backup: Backup) -> None:
        """Tell that a backup is published."""
        self._tell("vmbackup_backup_stored", run=run, backup=backup)

    def vm_finished(self, run: Run, result: VMResult) -> None:
        """Tell that a VM is done."""
        self._tell("vmbackup_vm_finished", run=run, result=result)

    def run_finished(self, report: Report) -> Report:
        """Tell that the run is over, reporters before notifiers; return the report with what went wrong in telling."""
        report = replace(report, warnings=report.warnings + tuple(self.failures))
        self.failures.clear()
        self._tell("vmbackup_run_finished", report=report)
        for reporter in self._reporters:
            self._guard(f"reporter {reporter.label}", partial(reporter.write, report))
        for notifier in self._notifiers:
            self._guard(f"notifier {notifier.label}", partial(notifier.notify, report))
        return replace(report, warnings=report.warnings + tuple(self.failures))

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
