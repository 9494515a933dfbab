"""How all VMs stand, on a terminal and as JSON."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from rich.console import Console

from vmbackup.cli.output import moment, name, table
from vmbackup.protection import Standing, Status, words_of
from vmbackup.wording import counted, human_age

COLOURS = {"protected": "green", "too old": "red", "damaged": "red", "unprotected": "red", "excluded": "dim"}


def show(found: Status, now: datetime, out: Console) -> None:
    """Print a status for people; `now` is UTC."""
    listed = [one for one in found.standings if one.verdict != "excluded"]
    if listed:
        shown = table("VM", "state", "newest", "on", "verified", "rehearsed")
        for one in listed:
            shown.add_row(*_row(one, now))
        out.print(shown)
        out.print()
    for line in _remarks(found):
        out.print(line, soft_wrap=True)
    left = [name(one.vm) for one in found.standings if one.verdict == "excluded"]
    if left:
        out.print(f"Left out on purpose: {', '.join(left)}", soft_wrap=True)
    for run in found.runs:
        word = "[green]good[/]" if run.code == 0 else f"[red]ended with {run.code}, {run.failed} failed[/]"
        warned = f", {counted(run.warnings, 'warning')}" if run.warnings else ""
        out.print(f"Last run of {name(run.job)}: {human_age(run.started, now)} ago, {word}{warned}", soft_wrap=True)
    if found.inventory:
        seen = f"{human_age(found.inventory, now)} ago ({moment(found.inventory)})"
        out.print(f"{_verdict(found)}; the pool was looked at {seen}", soft_wrap=True)
    else:
        out.print("[red]nothing is known[/]: no run has left word of what is in the pool", soft_wrap=True)


def _verdict(found: Status) -> str:
    listed = sum(one.verdict != "excluded" for one in found.standings)
    if found.alarms:
        return f"[red]{len(found.alarms)} of {listed} VMs not protected[/]"
    if found.away:
        return f"[yellow]{listed} of {listed} VMs protected, as far as can be seen[/]"
    return f"[green]{listed} of {listed} VMs protected[/]"


def _row(one: Standing, now: datetime) -> tuple[str, ...]:
    newest = human_age(one.newest.manifest.snapshot_time, now) if one.newest else "none"
    rehearsed = human_age(one.rehearsed.moment, now) if one.rehearsed else "never"
    return (
        name(one.vm),
        f"[{COLOURS[one.verdict]}]{one.verdict}[/]",
        newest,
        name(", ".join(one.targets)) or "-",
        human_age(one.verified, now) if one.verified else "never",
        rehearsed if not one.rehearsed or one.rehearsed.good else f"[red]{rehearsed}, failed[/]",
    )


def _remarks(found: Status) -> Iterator[str]:
    """Yield what is worth a look, as markup."""
    for label, message in found.away:
        yield f"[red]away[/] {name(label)}: {name(message)}"
    for one in found.alarms:
        yield f"[red]{one.verdict}[/] {name(one.vm)}: {name(one.why)}"
    for one in found.standings:
        yield from (f"[yellow]warning[/] {name(one.vm)}: {name(note)}" for note in one.notes)
    for run in found.runs:
        for untold in run.untold:
            yield f"[yellow]warning[/] {name(run.job)}: {name(words_of(untold))}"
    yield from (f"[yellow]warning[/] {name(remark)}" for remark in found.remarks)


def facts(found: Status, max_age: timedelta, now: datetime) -> dict[str, object]:
    """Return a status for machines."""
    return {
        "status": found.level.name,
        "moment": now.isoformat(),
        "max_age_seconds": max_age.total_seconds(),
        "inventory": found.inventory.isoformat() if found.inventory else None,
        "vms": [_vm_facts(one) for one in found.standings],
        "jobs": [
            {
                "job": run.job,
                "started": run.started.isoformat(),
                "exit_code": run.code,
                "failed": run.failed,
                "warnings": run.warnings,
                "untold": [{"who": one.step, "message": one.message} for one in run.untold],
            }
            for run in found.runs
        ],
        "away": [{"target": label, "message": message} for label, message in found.away],
        "remarks": list(found.remarks),
    }


def _vm_facts(one: Standing) -> dict[str, object]:
    return {
        "vm": one.vm,
        "uuid": one.uuid,
        "state": one.verdict,
        "why": one.why,
        "job": one.job or None,
        "newest": one.newest.manifest.snapshot_time.isoformat() if one.newest else None,
        "backup": one.newest.address if one.newest else None,
        "targets": list(one.targets),
        "verified": one.verified.isoformat() if one.verified else None,
        "rehearsed": one.rehearsed.moment.isoformat() if one.rehearsed else None,
        "rehearsed_good": one.rehearsed.good if one.rehearsed else None,
        "notes": list(one.notes),
    }
