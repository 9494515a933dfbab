"""How a plan of a restore is shown, to people and as JSON."""

from vmbackup.cli.output import console, name, size, table
from vmbackup.restore import RestorePlan
from vmbackup.xapi.surroundings import Storage

HOW = {
    "import": "as a new VM, by one import of the whole image",
    "disks": "as a new VM, disk by disk and then its records",
    "machine": "as a new VM made from the metadata around the one disk",
    "disk": "as a disk alone",
}


def plan_as_json(plan: RestorePlan) -> dict[str, object]:
    """Return the plan for machines; sizes in bytes."""
    return {
        "backup": plan.backup.address,
        "way": plan.way,
        "name": plan.name if plan.way != "disk" else None,
        "vm": plan.host.uuid if plan.host else None,
        "disks": [
            {
                "position": planned.disk.position,
                "device": planned.disk.device,
                "name": planned.disk.name,
                "virtual_size": planned.disk.virtual_size,
                "data_bytes": planned.disk.data_bytes,
                "sr": planned.storage.sr.uuid,
                "sr_name": planned.storage.sr.name,
                "sr_free": planned.storage.sr.free,
            }
            for planned in plan.disks
        ],
        "vifs": [
            {
                "device": vif.device,
                "was": vif.was,
                "network": vif.network.uuid,
                "network_name": vif.network.name,
                "mac": vif.mac or None,
            }
            for vif in plan.vifs
        ],
        "tags": plan.tags,
        "start": plan.start,
        "warnings": plan.warnings,
        "problems": [{"message": problem.message, "advice": problem.advice} for problem in plan.problems],
    }


def show_plan(plan: RestorePlan) -> None:
    """Print the plan for people."""
    out = console()
    out.print(f"[bold]{name(plan.backup.address)}[/]", soft_wrap=True)
    host = f", attached to {plan.host.name} ({plan.host.uuid})" if plan.host else ""
    called = "" if plan.way == "disk" else f", called {plan.name}"
    started = "; it is started" if plan.start else ""
    out.print(f"comes back {HOW[plan.way]}{name(called)}{name(host)}{started}", soft_wrap=True)
    if plan.disks:
        disks = table(
            "disk", "position", "size", "with data", "SR", "free", right=("position", "size", "with data", "free")
        )
        for planned in plan.disks:
            sizes = size(planned.disk.virtual_size), size(planned.disk.data_bytes)
            disks.add_row(
                name(planned.disk.name), str(planned.disk.position), *sizes, name(planned.storage.sr.name),
                _free(planned.storage),
            )  # fmt: skip
        out.print()
        out.print(disks)
    if plan.vifs:
        vifs = table("interface", "was on", "network", "MAC")
        for vif in plan.vifs:
            vifs.add_row(name(vif.device), name(vif.was), name(vif.network.name), name(vif.mac or "a new one"))
        out.print()
        out.print(vifs)
    if plan.warnings or plan.problems:
        out.print()
    for warning in plan.warnings:
        out.print(f"[yellow]warning[/] {name(warning)}", soft_wrap=True)
    for problem in plan.problems:
        out.print(f"[red]problem[/] {name(problem.message)}", soft_wrap=True)
        for line in problem.advice.splitlines():
            out.print(f"    {name(line)}", soft_wrap=True)


def _free(storage: Storage) -> str:
    return "not told" if storage.sr.free is None else size(storage.sr.free)
