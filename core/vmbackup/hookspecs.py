"""The hooks: one by which plugins say what they bring, and the moments at which everyone is told what happened.

A moment returns nothing and cannot stop or change a run: what one plugin raises is written into the report, and the
others are told all the same. An implementation may take fewer arguments than the moment has.
"""

from collections.abc import Iterable

from vmbackup.contracts import Plugin
from vmbackup.markers import hookspec
from vmbackup.models import VM
from vmbackup.results import Backup, Report, Run, VMResult
from vmbackup.settings import Settings


@hookspec
def vmbackup_register() -> Iterable[type[Plugin[Settings]]]:
    """Return the plugin classes that this distribution brings, of any kind."""
    return ()


@hookspec
def vmbackup_run_started(run: Run) -> None:
    """A run has its lock, its pool and its targets, and is about to begin."""


@hookspec
def vmbackup_vm_started(run: Run, vm: VM) -> None:
    """The backup of one VM is about to begin; nothing has been made in the pool yet."""


@hookspec
def vmbackup_backup_stored(run: Run, backup: Backup) -> None:
    """A proven backup is published on its target."""


@hookspec
def vmbackup_vm_finished(run: Run, result: VMResult) -> None:
    """One VM is done, for good or not, and what was made in the pool for it is unmade."""


@hookspec
def vmbackup_run_finished(report: Report) -> None:
    """The run is over; reporters and notifiers are told by this."""
