"""Commands of the site's own at the moments of a run, and what each of them is told.

What such a command does has no effect on a backup, but for one that fails before a snapshot: it vetoes that VM's.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter

from vmbackup.commands import Commands
from vmbackup.config import Hook
from vmbackup.errors import HookFailed, Interrupted
from vmbackup.models import VM
from vmbackup.moments import Fact, Moment, filled, placeholders
from vmbackup.results import Backup, Failure, Report, Run, VMResult
from vmbackup.selection import Pattern

SCHEMA: Final = "vmbackup-hook/1"
REPORT: TypeAdapter[Report] = TypeAdapter(Report)
Numbered = tuple[int, Hook]


class Hooks:
    """The commands of one job's runs. `failures` are those that failed without harm to a backup."""

    def __init__(self, hooks: Sequence[Hook], job: str) -> None:
        """`hooks` are all of the configuration's; those of other jobs are left out."""
        self._hooks = [(number, hook) for number, hook in enumerate(hooks, 1) if not hook.jobs or job in hook.jobs]
        self._commands = Commands() if self._hooks else None
        self._vms: dict[str, VM] = {}
        self.failures: list[Failure] = []

    def close(self) -> None:
        """End the process that runs the commands."""
        if self._commands:
            self._commands.close()

    def run_started(self, run: Run) -> None:
        """A run begins."""
        self._tell("run-started", _of_run(run))

    def vm_started(self, run: Run, vm: VM) -> None:
        """A VM's backup begins."""
        self._vms[vm.uuid] = vm
        self._tell("vm-started", _of_vm(run, vm), vm)

    def before_snapshot(self, run: Run, vm: VM, method: str) -> None:
        """A snapshot is about to be made. Raises HookFailed if a command says that it must not be."""
        facts = {**_of_vm(run, vm), "method": method}
        for numbered in self._chosen("before-snapshot", vm):
            try:
                self._run(numbered, facts)
            except HookFailed as error:
                raise HookFailed(f"{_name(numbered)} {error.message}") from None

    def after_snapshot(self, run: Run, vm: VM, method: str, *, made: bool) -> None:
        """A snapshot is made, or is not to be made any more. Every command comes to its end, also when interrupted."""
        facts = {**_of_vm(run, vm), "method": method, "result": "good" if made else "failed"}
        left = self._chosen("after-snapshot", vm)
        try:
            self._run_all(left, facts)
        except Interrupted:
            self._run_all(left, facts)
            raise
        if self._commands and self._commands.interrupted:
            raise self._commands.interrupted

    def backup_stored(self, run: Run, backup: Backup, path: Path | None) -> None:
        """A backup is published; `path` is where its folder is on this machine, if it is."""
        manifest = backup.manifest
        vm = self._vms.get(manifest.vm.uuid) if manifest.vm else None
        facts = {
            **_of_run(run),
            "vm": manifest.vm.name if manifest.vm else None,
            "uuid": manifest.vm.uuid if manifest.vm else None,
            "method": manifest.method,
            "target": backup.target,
            "folder": backup.folder,
            "path": str(path) if path else None,
            "size": backup.size,
        }
        self._tell("backup-stored", facts, vm, backup.target)

    def vm_finished(self, run: Run, result: VMResult) -> None:
        """A VM is done."""
        failures = [outcome.failure.message for outcome in result.outcomes if outcome.failure]
        facts = {
            **_of_run(run),
            "vm": result.vm,
            "uuid": result.uuid,
            "method": result.method,
            "result": "good" if result.good else "partly" if result.partly else "failed",
            "message": failures[0] if failures else "",
        }
        self._tell("vm-finished", facts, self._vms.get(result.uuid))

    def run_finished(self, report: Report) -> None:
        """The run is over."""
        facts = {
            **_of_run(report.run),
            "result": "interrupted" if report.interrupted else "failed" if report.failed else "good",
            "good": report.succeeded,
            "failed": report.failed,
            "warnings": len(report.all_warnings),
        }
        self._tell("run-finished", facts, more={"report": REPORT.dump_python(report, mode="json")})

    def _tell(
        self,
        moment: Moment,
        facts: Mapping[str, Fact],
        vm: VM | None = None,
        target: str | None = None,
        more: Mapping[str, object] | None = None,
    ) -> None:
        for numbered in self._chosen(moment, vm, target):
            try:
                self._run(numbered, facts, more)
            except HookFailed as error:
                self._warn(numbered, error)

    def _run_all(self, left: list[Numbered], facts: Mapping[str, Fact]) -> None:
        while left:
            try:
                self._run(left[0], facts)
            except HookFailed as error:
                self._warn(left[0], error)
            left.pop(0)

    def _chosen(self, moment: Moment, vm: VM | None = None, target: str | None = None) -> list[Numbered]:
        return [
            (number, hook)
            for number, hook in self._hooks
            if hook.on == moment
            and (not hook.vms or (vm is not None and any(Pattern(text).matches(vm) for text in hook.vms)))
            and (not hook.targets or target in hook.targets)
            # The dump of a pool database is no VM's.
            and (moment != "backup-stored" or vm is not None or not placeholders(hook.run) & {"vm", "uuid"})
        ]

    def _run(self, numbered: Numbered, facts: Mapping[str, Fact], more: Mapping[str, object] | None = None) -> None:
        _, hook = numbered
        told: dict[str, Fact] = {"moment": hook.on, **facts}
        try:
            words = filled(hook.run, told)
        except ValueError as error:
            raise HookFailed(f"was not run: {error}") from None
        if self._commands:
            given = json.dumps({"schema": SCHEMA, **told, **(more or {})})
            self._commands.run(words, given, hook.timeout, to_its_end=hook.on == "after-snapshot")

    def _warn(self, numbered: Numbered, error: HookFailed) -> None:
        self.failures.append(Failure(numbered[1].on, error.code, f"{_name(numbered)} {error.message}"))


def _name(numbered: Numbered) -> str:
    number, hook = numbered
    return f"hooks[{number}] ({hook.run[0]})"


def _of_run(run: Run) -> dict[str, Fact]:
    return {"job": run.job, "run": run.id, "pool": run.pool.name}


def _of_vm(run: Run, vm: VM) -> dict[str, Fact]:
    return {**_of_run(run), "vm": vm.name, "uuid": vm.uuid, "power": vm.power_state}
