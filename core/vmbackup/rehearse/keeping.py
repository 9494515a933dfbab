"""Keeping what came of a rehearsal: beside the backup, and with the VM's other rehearsals, which outlast backups."""

from collections.abc import Iterable
from datetime import timedelta

from vmbackup.manifest import REHEARSED, Rehearsed, dated_name
from vmbackup.repository import REHEARSALS, Repository
from vmbackup.results import Backup


def keep(result: Rehearsed, backup: Backup, repository: Repository) -> None:
    """Store a result, dated a little later where another has its second. Raises TargetError."""
    folder = f"{REHEARSALS}/{result.vm}"
    while repository.target.stat(f"{folder}/{dated_name(REHEARSED, result.moment)}") is not None:
        result = result.model_copy(update={"moment": result.moment + timedelta(seconds=1)})
    name = dated_name(REHEARSED, result.moment)
    repository.store_fact(f"{folder}/{name}", result)
    repository.store_later_fact(backup, name, result)


def history(repository: Repository, vms: Iterable[str]) -> dict[str, tuple[Rehearsed, ...]]:
    """Return what came of the rehearsals of each VM, by its UUID, newest first. Raises TargetError."""
    return {vm: tuple(repository.rehearsals(vm)) for vm in vms}
