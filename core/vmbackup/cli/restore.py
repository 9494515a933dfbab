"""`vmbackup restore`: bring a backup back into the pool."""

import secrets
from typing import Annotated

import typer

from vmbackup.cleanup import reconcile
from vmbackup.cli.known import known
from vmbackup.cli.options import ConfigOption, JsonOption, StateOption, TargetOption, open_site
from vmbackup.cli.output import console, name, print_json
from vmbackup.cli.progress import reading
from vmbackup.cli.signals import interruptible
from vmbackup.journal import Journal
from vmbackup.lane import Lane
from vmbackup.restore import Destination, Restored, Source, Wishes, find_sr, restore
from vmbackup.results import Backup
from vmbackup.site import Site
from vmbackup.xapi.inventory import read_pool


def restore_backup(
    backup: Annotated[str, typer.Argument(help="TARGET:VM@TIME, any unique part of it, or VM@latest.")],
    sr: Annotated[str | None, typer.Option("--sr", help="The SR for the disks, by name or UUID.")] = None,
    new_name: Annotated[str | None, typer.Option("--name", help="What the VM is called then.")] = None,
    preserve: Annotated[
        bool, typer.Option("--preserve", help="Keep MAC addresses, and the UUID that the image bears (the snapshot's).")
    ] = False,
    start: Annotated[bool, typer.Option("--start", help="Start the VM.")] = False,
    vm: Annotated[str | None, typer.Option("--vm", help="Attach the disk of a vdi-export to this VM.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Send it even if it is not whole.")] = False,
    config: ConfigOption = None,
    state: StateOption = None,
    target: TargetOption = None,
    as_json: JsonOption = False,
) -> int:
    """Restore a backup into the pool, after proving that it is whole."""
    site = open_site(config, state)
    found = known(site, target).choose(backup)
    wishes = Wishes(name=new_name, preserve=preserve, start=start, vm=vm, force=force)
    with interruptible(site.state()):
        restored = restore_into_pool(site, found, wishes, sr)
    original = found.manifest.vm.uuid if found.manifest.vm else ""
    if as_json:
        print_json(
            {"backup": found.address, "vm": restored.vm_uuid, "name": restored.name, "original": original,
             "disks": restored.disks}
        )  # fmt: skip
    else:
        out = console()
        out.print(f"[green]restored[/] {name(found.address)} as {name(restored.name)}", soft_wrap=True)
        out.print(f"    VM {restored.vm_uuid} (the original was {original})", soft_wrap=True)
    return 0


def restore_into_pool(site: Site, backup: Backup, wishes: Wishes, sr: str | None) -> Restored:
    """Log in, clean up after dead runs, and restore; what could not be cleaned up is said by the next run."""
    repository, state = site.repository(backup.target), site.state()
    run_id = secrets.token_hex(8)
    image = backup.manifest.image
    total = backup.size * (1 if wishes.force or image is None else 2)
    with site.session(f"vmbackup-{run_id}") as session, repository.target:
        repository.prove()
        pool = read_pool(session)
        lane = Lane(repository)
        for _ in reconcile(session, pool.uuid, [lane], state):
            pass
        lane.close()
        with Journal.begin(state.journals, run_id, pool.uuid) as journal, reading(backup.address, total) as tell:
            source = Source(backup, repository, site.registry, tell)
            destination = Destination(session, journal, find_sr(session, pool.default_sr, sr))
            return restore(source, destination, wishes)
