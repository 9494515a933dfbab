"""`vmbackup preview`: what a job would do, and everything that is wrong with it; nothing is changed."""

from pathlib import Path
from typing import Annotated

import typer

from vmbackup.cli.options import ConfigOption, JsonOption, open_site
from vmbackup.cli.output import console, name, print_json, size, table
from vmbackup.errors import PlanError, VmbackupError
from vmbackup.plan import Plan, make_plan
from vmbackup.results import Failure
from vmbackup.site import JobParts, Site
from vmbackup.xapi.inventory import read_inventory, read_pool


def preview(
    job: Annotated[str, typer.Argument(help="The job, as the configuration names it.")],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> int:
    """Show what a job would do and every problem at once. Exits 0 or 2; changes nothing."""
    site = open_site(config)
    return preview_job(site, job, site.file.path, as_json)[1]


def preview_job(site: Site, job: str, source: Path, as_json: bool) -> tuple[Plan, int]:
    """Show what a job of a site would do, which `source` describes; return that, and the exit code."""
    parts = site.job(job)
    with site.session("vmbackup-preview") as session:
        inventory = read_inventory(session, read_pool(session))
    plan = make_plan(job, parts.job, inventory, parts.methods, site.config.pool.snapshots.margin)
    problems = (*plan.problems, *_target_problems(parts))
    if as_json:
        print_json(_as_json(plan, problems))
    else:
        _show(plan, problems, source)
    return plan, PlanError.exit_code if problems else 0


def _target_problems(parts: JobParts) -> list[Failure]:
    problems = []
    for repository in parts.repositories:
        try:
            with repository.target:
                repository.prove()
        except VmbackupError as error:
            problems.append(Failure.of("target", error))
    return problems


def _as_json(plan: Plan, problems: tuple[Failure, ...]) -> dict[str, object]:
    return {
        "job": plan.job,
        "targets": plan.targets,
        "tasks": [
            {
                "vm": task.vm.name,
                "uuid": task.vm.uuid,
                "method": task.method,
                "disks": [
                    {"name": disk.name, "position": disk.position, "virtual_size": disk.virtual_size}
                    for disk in task.disks
                ],
                "keep": task.keep.model_dump(),
                "targets": plan.targets,
                "estimate": task.estimate,
                "remarks": task.remarks,
            }
            for task in plan.tasks
        ],
        "problems": [{"message": problem.message, "advice": problem.advice} for problem in problems],
        "notes": plan.notes,
        "not_taken": [covered.vm for covered in plan.inventory if not covered.taken],
    }


def _show(plan: Plan, problems: tuple[Failure, ...], source: Path) -> None:
    out = console()
    shown = table("VM", "method", "disks", "size", "keep", "target", right=("disks", "size", "keep"))
    for task in plan.tasks:
        size_of_disks = size(sum(disk.virtual_size for disk in task.disks))
        keep = f"last {task.keep.last}"
        shown.add_row(
            name(task.vm.name), task.method, str(len(task.disks)), size_of_disks, keep, ", ".join(plan.targets)
        )
    out.print(shown)
    most = size(sum(task.estimate for task in plan.tasks))
    out.print(f"{len(plan.tasks)} VMs, {most} to read at most", soft_wrap=True)
    left = [covered.vm for covered in plan.inventory if not covered.taken]
    if left:
        out.print(f"not in this job: {', '.join(name(vm) for vm in left)}", soft_wrap=True)
    for task in plan.tasks:
        for remark in task.remarks:
            out.print(f"{name(task.vm.name)}: {name(remark)}", soft_wrap=True)
    for note in plan.notes:
        out.print(f"[yellow]note[/] {name(note)}", soft_wrap=True)
    for problem in problems:
        out.print(f"[red]problem[/] {name(problem.message)}", soft_wrap=True)
        if problem.advice:
            out.print(f"    {name(problem.advice)}", soft_wrap=True)
    if problems:
        out.print(f"{len(problems)} problems; see {source}", soft_wrap=True)
