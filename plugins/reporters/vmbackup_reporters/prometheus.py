"""Metrics of a run for the textfile collector of Prometheus's node_exporter: one file for each job."""

import re
from collections.abc import Iterator
from pathlib import Path

from pydantic import Field

from vmbackup import Report, Reporter, Settings, exit_code
from vmbackup_reporters.exposition import Sample, exposition
from vmbackup_reporters.place import ALL_READ, AbsolutePath, as_part, publish

LAST_GOOD = "vmbackup_vm_last_success_timestamp_seconds"
HELPS = {
    "vmbackup_run_start_timestamp_seconds": "When the last run of the job began.",
    "vmbackup_run_end_timestamp_seconds": "When the last run of the job ended.",
    "vmbackup_run_duration_seconds": "How long the last run of the job took.",
    "vmbackup_run_success": "Whether all that the job names was backed up: 1 or 0.",
    "vmbackup_run_exit_code": "The exit code of the last run of the job.",
    "vmbackup_run_vms": "VMs of the last run of the job, by what came of them.",
    "vmbackup_run_warnings": "Warnings of the last run of the job.",
    LAST_GOOD: "When the newest good backup of a VM by the job was taken.",
    "vmbackup_vm_last_verification_timestamp_seconds": "When a backup of a VM was last read whole and found good.",
    "vmbackup_vm_copies": "Good backups of a VM that the job keeps on a target.",
    "vmbackup_vm_success": "Whether the last run stored a good backup of a VM on a target: 1 or 0.",
    "vmbackup_vm_stored_bytes": "What the last backup of a VM takes on a target.",
    "vmbackup_vm_read_bytes": "What the pool sent of a VM in the last run.",
    "vmbackup_vm_duration_seconds": "How long the last backup of a VM took.",
    "vmbackup_vm_read_bytes_per_second": "How fast the pool sent a VM in the last run.",
    "vmbackup_vm_chain_images": "Images of the longest chain that a disk of a VM is read through.",
    "vmbackup_inventory_vms": "VMs of the pool: taken by the job, excluded on purpose, or neither.",
    "vmbackup_target_free_bytes": "What is free on a target.",
    "vmbackup_mirror_copied_bytes": "What the last run copied to a mirror.",
    "vmbackup_mirror_failures": "Backups that the last run could not copy to a mirror or remove from it.",
}


class PrometheusSettings(Settings):
    """Where the files go."""

    path: AbsolutePath = Field(
        description="an absolute path: the folder that node_exporter is told of by --collector.textfile.directory"
    )


class Prometheus(Reporter[PrometheusSettings]):
    """Metrics for node_exporter, a file for each job, in a folder of this machine, readable by all."""

    name = "prometheus"
    Settings = PrometheusSettings

    def write(self, report: Report) -> None:
        """Write `vmbackup-JOB.prom`, seen only when it is whole. Raises NotifyError if it cannot be written."""
        path = self.settings.path / f"vmbackup-{as_part(report.run.job)}.prom"
        publish(self.label, path, exposition(samples(report), HELPS, _still_true(path, report)).encode(), ALL_READ)


def samples(report: Report) -> Iterator[Sample]:
    """Yield what there is to say of a run and of the VMs, targets and mirrors of its job."""
    yield from _of_run(report)
    yield from _of_vms(report)
    job = {"job": report.run.job}
    for space in report.spaces:
        free = space.before if space.after is None else space.after
        if free is not None:
            yield Sample("vmbackup_target_free_bytes", {**job, "target": space.target}, free)
    for mirror in dict.fromkeys(one.mirror for one in report.mirrored):
        done = [one for one in report.mirrored if one.mirror == mirror]
        labels = {**job, "mirror": mirror}
        copied = sum(one.size for one in done if one.did == "copied" and one.failure is None)
        yield Sample("vmbackup_mirror_copied_bytes", labels, copied)
        yield Sample("vmbackup_mirror_failures", labels, sum(one.failure is not None for one in done))


def _of_run(report: Report) -> Iterator[Sample]:
    run, code = report.run, exit_code(report)
    job = {"job": run.job}
    yield Sample("vmbackup_run_start_timestamp_seconds", job, run.started.timestamp())
    yield Sample("vmbackup_run_end_timestamp_seconds", job, report.finished.timestamp())
    yield Sample("vmbackup_run_duration_seconds", job, (report.finished - run.started).total_seconds())
    yield Sample("vmbackup_run_success", job, code == 0)
    yield Sample("vmbackup_run_exit_code", job, code)
    yield Sample("vmbackup_run_vms", {**job, "result": "good"}, report.succeeded)
    yield Sample("vmbackup_run_vms", {**job, "result": "failed"}, sum(not result.good for result in report.results))
    yield Sample("vmbackup_run_warnings", job, len(report.all_warnings))
    if report.inventory:
        taken = sum(one.taken for one in report.inventory)
        excluded = sum(one.excluded and not one.taken for one in report.inventory)
        counts = {"taken": taken, "excluded": excluded, "other": len(report.inventory) - taken - excluded}
        for state, count in counts.items():
            yield Sample("vmbackup_inventory_vms", {**job, "state": state}, count)


def _of_vms(report: Report) -> Iterator[Sample]:
    job = {"job": report.run.job}
    for result in report.results:
        vm = {**job, "vm": result.vm, "uuid": result.uuid}
        yield Sample("vmbackup_vm_read_bytes", vm, result.read)
        yield Sample("vmbackup_vm_duration_seconds", vm, result.seconds)
        if result.seconds:
            yield Sample("vmbackup_vm_read_bytes_per_second", vm, result.read / result.seconds)
        for outcome in result.outcomes:
            at = {**vm, "target": outcome.target}
            yield Sample("vmbackup_vm_success", at, outcome.backup is not None)
            if outcome.backup:
                yield Sample("vmbackup_vm_stored_bytes", at, outcome.backup.size)
    for covered in report.inventory:
        if covered.taken and covered.chain is not None:
            vm = {**job, "vm": covered.vm, "uuid": covered.uuid}
            yield Sample("vmbackup_vm_chain_images", vm, covered.chain)
    for kept in report.kept:
        at = {**job, "vm": kept.vm, "uuid": kept.uuid, "target": kept.target}
        yield Sample("vmbackup_vm_copies", at, kept.copies)
        if kept.newest:
            yield Sample(LAST_GOOD, at, kept.newest.timestamp())
        if kept.verified:
            yield Sample("vmbackup_vm_last_verification_timestamp_seconds", at, kept.verified.timestamp())


def _still_true(path: Path, report: Report) -> list[str]:
    """Return the lines of the job's file about backups on targets that this run could not look at.

    A run that fails at its login, or a disk that is away, must not silence an alarm that hangs on a backup's age.
    """
    unseen = set(report.targets) - {kept.target for kept in report.kept}
    try:
        before = path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return []
    line = re.compile(rf'{LAST_GOOD}\{{(?:[a-z]+="(?:[^"\\]|\\.)*",)+target="([^"\\]*)"\}} [0-9.e+]+')
    found = (line.fullmatch(text) for text in before.split("\n"))
    return [match[0] for match in found if match and match[1] in unseen]
