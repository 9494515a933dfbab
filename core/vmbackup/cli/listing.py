"""`vmbackup list` and `vmbackup show`: the backups that there are, from the targets alone."""

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from typing import Annotated

import typer

from vmbackup.cli.known import known
from vmbackup.cli.mirror import held
from vmbackup.cli.options import ConfigOption, JsonOption, TargetOption, open_site
from vmbackup.cli.output import age, console, duration, moment, name, print_json, size, table
from vmbackup.errors import TargetNotProven
from vmbackup.manifest import Rehearsed, Verified
from vmbackup.results import Backup


def list_backups(
    mirrors: Annotated[bool, typer.Option("--mirrors", help="Show which mirrors hold each backup, too.")] = False,
    config: ConfigOption = None,
    target: TargetOption = None,
    as_json: JsonOption = False,
) -> int:
    """List the backups on the targets, oldest first. Needs no pool. Exits 10 if a target is not there."""
    site = open_site(config)
    there = known(site, target)
    lie = held(site) if mirrors else {}
    code = TargetNotProven.exit_code if there.away else 0
    if as_json:
        print_json(
            {
                "backups": [{**_facts(backup), **_copies(backup, lie)} for backup in there.backups],
                "broken": [
                    {"target": label, "folder": found.folder, "reason": found.reason} for label, found in there.broken
                ],
                "foreign": [
                    {"target": label, "folder": found.folder, "reason": found.reason} for label, found in there.foreign
                ],
                "away": [{"target": label, "message": error.message} for label, error in there.away],
            }
        )
        return code
    out = console()
    if there.backups:
        out.print(_table(there.backups, lie))
    elif not there.away:
        out.print("There are no backups yet.")
    for label, found in there.broken:
        out.print(f"[red]broken[/] {label}:{found.folder}: {name(found.reason)}", soft_wrap=True)
    for label, found in there.foreign:
        out.print(f"[yellow]left[/] {label}:{found.folder}: {name(found.reason)}", soft_wrap=True)
    for label, error in there.away:
        out.print(f"[yellow]away[/] {label}: {name(error.message)}", soft_wrap=True)
        if error.advice:
            out.print(f"    {name(error.advice)}", soft_wrap=True)
    return code


def show(
    backup: Annotated[str, typer.Argument(help="TARGET:VM@TIME, any unique part of it, or VM@latest.")],
    config: ConfigOption = None,
    target: TargetOption = None,
    as_json: JsonOption = False,
) -> int:
    """Show all that is known of one backup."""
    found = known(open_site(config), target).choose(backup)
    manifest = found.manifest
    if as_json:
        results = [result.model_dump(mode="json") for result in found.verified]
        rehearsals = [result.model_dump(mode="json") for result in found.rehearsed]
        facts = {**_facts(found), "verifications": results, "rehearsals": rehearsals}
        print_json({**facts, "manifest": manifest.model_dump(mode="json")})
        return 0
    out = console()
    out.print(f"[bold]{name(found.address)}[/]", soft_wrap=True)
    vm, pool = manifest.vm, manifest.pool
    lines = [
        ("VM", f"{vm.name} ({vm.uuid}), {vm.power_state.lower()} when it was taken" if vm else "the pool database"),
        ("pool", f"{pool.name} ({pool.uuid}), {pool.product}" if pool.product else "unknown"),
        ("job", f"{manifest.job}, {manifest.method}, {manifest.written_by}"),
        ("snapshot", moment(manifest.snapshot_time)),
        ("finished", moment(manifest.finished)),
        ("folder", found.folder),
    ]
    if manifest.adopted:
        lines.append(("adopted", f"from NAU VMbackup's {'/'.join(manifest.adopted.folder)}"))
    if vm:
        lines += [("left out", f"the disk {disk.name!r} at position {disk.position}") for disk in vm.left_out]
        lines += [("secrets", ", ".join(vm.secrets))] if vm.secrets else []
    lines += [("verified", _verified(result)) for result in found.verified] or [("verified", "never since it was made")]
    lines += [("rehearsed", _rehearsed(result)) for result in found.rehearsed]
    for key, value in lines:
        out.print(f"{key:<9} {name(value)}", soft_wrap=True)
    if manifest.image:
        disks = table("disk", "position", "device", "size", "with data", right=("position", "size", "with data"))
        for disk in manifest.image.disks:
            shown = (str(disk.position), disk.device, size(disk.virtual_size), size(disk.data_bytes))
            disks.add_row(name(disk.name), *shown)
        out.print()
        out.print(disks)
    files = table("file", "size", "compressed by", "sha256", right=("size",))
    for file in manifest.files:
        files.add_row(
            file.name, size(file.size), _packed(file.compressor, file.packed_by), file.sha256 and file.sha256[:16] + "…"
        )
    out.print()
    out.print(files)
    return 0


def _packed(compressor: str | None, packed_by: str | None) -> str:
    return f"{compressor} ({packed_by})" if compressor and packed_by else ""


def _verified(result: Verified) -> str:
    """Say what one verification has found."""
    share = f" of {result.share * 100:g} %" if result.level == "sample" else ""
    looked = f"{moment(result.moment)}, {result.level}{share}, {size(result.read)} read, {result.written_by}"
    if result.wrong:
        return f"{looked}: wrong: " + "; ".join(f"{wrong.file}: {wrong.message}" for wrong in result.wrong)
    return f"{looked}: {'good' if result.good else 'not finished'}"


def _rehearsed(result: Rehearsed) -> str:
    """Say what one rehearsal has come to."""
    if not result.good:
        return f"{moment(result.moment)}: failed: {result.step}: {result.message}"
    took = f"imported in {duration(result.import_seconds)}, alive after {duration(result.boot_seconds)}"
    return f"{moment(result.moment)}: good, {took} ({result.waited_for})"


def _standing(backup: Backup, now: datetime) -> str:
    """Say how long ago the whole backup was read and found good, or that it was found wrong since."""
    if backup.fault:
        return f"[red]wrong[/] {age(backup.fault.moment, now)}"
    whole = backup.proven("full")
    return age(whole.moment, now) if whole else "never"


def _copies(backup: Backup, lie: Mapping[str, Collection[str]]) -> dict[str, object]:
    return {"mirrors": [label for label, folders in lie.items() if backup.folder in folders]} if lie else {}


def _table(backups: Iterable[Backup], lie: Mapping[str, Collection[str]]) -> object:
    now = datetime.now(UTC)
    columns = ("backup", "snapshot", "method", "job", "size", "verified", *(["mirrors"] if lie else []))
    shown = table(*columns, right=("size",))
    for backup in backups:
        manifest = backup.manifest
        when = moment(manifest.snapshot_time)
        row = [name(backup.address), when, manifest.method, manifest.job, size(backup.size), _standing(backup, now)]
        on = ", ".join(label for label, folders in lie.items() if backup.folder in folders)
        shown.add_row(*row, *([name(on) or "none"] if lie else []))
    return shown


def _facts(backup: Backup) -> dict[str, object]:
    manifest, whole = backup.manifest, backup.proven("full")
    return {
        "address": backup.address,
        "target": backup.target,
        "folder": backup.folder,
        "vm": manifest.vm.name if manifest.vm else None,
        "uuid": manifest.vm.uuid if manifest.vm else None,
        "pool": manifest.pool.name,
        "job": manifest.job,
        "method": manifest.method,
        "snapshot_time": manifest.snapshot_time.isoformat(),
        "size": backup.size,
        "verified": whole.moment.isoformat() if whole else None,
        "rehearsed": backup.rehearsed[0].moment.isoformat() if backup.rehearsed else None,
        "rehearsed_good": backup.rehearsed[0].good if backup.rehearsed else None,
        "wrong": backup.fault.moment.isoformat() if backup.fault else None,
    }
