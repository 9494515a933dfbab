"""`vmbackup restore`: bring a backup back into the pool, or show how that would be done."""

from typing import Annotated

import typer

from vmbackup.cli.into_pool import into_pool
from vmbackup.cli.known import known
from vmbackup.cli.options import ConfigOption, JsonOption, StateOption, TargetOption, open_site, pair
from vmbackup.cli.output import console, name, print_json
from vmbackup.cli.restore_plan import plan_as_json, show_plan
from vmbackup.cli.signals import interruptible
from vmbackup.errors import PlanError
from vmbackup.restore import Restored, Source, Wishes, plan_for, restore
from vmbackup.results import Backup
from vmbackup.site import Site


def restore_backup(
    backup: Annotated[str, typer.Argument(help="TARGET:VM@TIME, any unique part of it, or VM@latest.")],
    plan: Annotated[bool, typer.Option("--plan", help="Show what would be done, and do nothing.")] = False,
    new_name: Annotated[str | None, typer.Option("--as", metavar="NAME", help="What the VM is called then.")] = None,
    sr: Annotated[str | None, typer.Option("--sr", help="The SR for the disks, by name or UUID.")] = None,
    map_sr: Annotated[
        list[str] | None,
        typer.Option("--map-sr", metavar="OLD=SR", help="The SR for one disk (xvda), or for all of an old SR."),
    ] = None,
    map_network: Annotated[
        list[str] | None, typer.Option("--map-network", metavar="OLD=NEW", help="The network in place of an old one.")
    ] = None,
    new_mac: Annotated[
        bool, typer.Option("--new-mac", help="Give it new MAC addresses; else it keeps its own.")
    ] = False,
    preserve: Annotated[
        bool, typer.Option("--preserve", help="Keep the UUID that the image bears (a snapshot's, mostly) too.")
    ] = False,
    tag: Annotated[list[str] | None, typer.Option("--tag", help="Give the VM this tag.")] = None,
    start: Annotated[bool, typer.Option("--start", help="Start the VM.")] = False,
    disk: Annotated[
        str | None, typer.Option("--disk", metavar="DISK", help="This disk alone, as a VDI: xvda, 0, UUID or name.")
    ] = None,
    vm: Annotated[str | None, typer.Option("--vm", help="Attach the disk to this VM.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Send it even if it is not whole.")] = False,
    config: ConfigOption = None,
    state: StateOption = None,
    target: TargetOption = None,
    as_json: JsonOption = False,
) -> int:
    """Restore a backup into the pool, after proving that it is whole. With --plan, exits 0 or 2 and changes nothing."""
    site = open_site(config, state)
    found = known(site, target).choose(backup)
    wishes = Wishes(
        name=new_name,
        sr=sr,
        map_sr=tuple(pair("--map-sr", text) for text in map_sr or ()),
        map_network=tuple(pair("--map-network", text) for text in map_network or ()),
        new_mac=new_mac,
        preserve=preserve,
        tags=tuple(tag or ()),
        start=start,
        disk=disk,
        vm=vm,
        force=force,
    )
    if plan:
        return _preview(site, found, wishes, as_json=as_json)
    with interruptible(site.state()), into_pool(site, found, 1 if force else 2) as ends:
        restored = restore(ends.source, ends.destination, plan_for(ends.source, ends.destination.session, wishes))
    original = found.manifest.vm.uuid if found.manifest.vm else ""
    if as_json:
        print_json(
            {"backup": found.address, "vm": restored.vm_uuid, "name": restored.name, "original": original,
             "disks": restored.disks}
        )  # fmt: skip
    else:
        _tell(found, restored, original, alone=wishes.alone)
    return 0


def _tell(backup: Backup, restored: Restored, original: str, *, alone: bool) -> None:
    out = console()
    if not alone:
        out.print(f"[green]restored[/] {name(backup.address)} as {name(restored.name)}", soft_wrap=True)
        out.print(f"    VM {restored.vm_uuid} (the original was {original})", soft_wrap=True)
    else:
        (uuid,) = restored.disks.values()
        out.print(f"[green]restored[/] a disk of {name(backup.address)}", soft_wrap=True)
        host = f"{name(restored.name)} ({restored.vm_uuid})" if restored.vm_uuid else ""
        where = f"for {host}" if host else f"attached to no VM: xe vbd-create vdi-uuid={uuid} …"
        out.print(f"    VDI {uuid}, {where}", soft_wrap=True)


def _preview(site: Site, backup: Backup, wishes: Wishes, *, as_json: bool) -> int:
    repository = site.repository(backup.target)
    with site.session("vmbackup-plan") as session, repository.target:
        repository.prove()
        source = Source(backup, repository, site.registry, lambda _: None)
        planned = plan_for(source, session, wishes)
    if as_json:
        print_json(plan_as_json(planned))
    else:
        show_plan(planned)
    return PlanError.exit_code if planned.problems else 0
