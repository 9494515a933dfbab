"""`vmbackup extract`: one disk out of a backup into a file."""

from pathlib import Path
from typing import Annotated

import typer

from vmbackup.cli.known import known
from vmbackup.cli.options import ConfigOption, JsonOption, StateOption, TargetOption, open_site
from vmbackup.cli.output import console, name, print_json, size
from vmbackup.cli.progress import reading, waiting
from vmbackup.cli.signals import interruptible
from vmbackup.disk_choice import choose
from vmbackup.errors import TargetError, VerificationUnread
from vmbackup.extract import DiskFile, fill
from vmbackup.manifest import ImageDisk
from vmbackup.results import Backup
from vmbackup.site import Site
from vmbackup.verify import StoredDisk


def extract_disk(
    backup: Annotated[str, typer.Argument(help="TARGET:VM@TIME, any unique part of it, or VM@latest.")],
    out: Annotated[Path, typer.Argument(metavar="OUT.(raw|vhd|qcow2)", help="The file; its end tells the format.")],
    disk: Annotated[
        str | None,
        typer.Option(
            "--disk", metavar="DISK", help="By device (xvda), position (0), UUID or name. One alone needs none."
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it is there.")] = False,
    config: ConfigOption = None,
    state: StateOption = None,
    target: TargetOption = None,
    as_json: JsonOption = False,
) -> int:
    """Extract one disk into a file, proving the whole backup. Exits 13 if it is wrong, 15 if it cannot be read."""
    site = open_site(config, state)
    file = DiskFile(out, force=force)
    try:
        found = known(site, target).choose(backup)
        wanted = choose(found, disk)
        with interruptible(site.state()):
            stored = _extract(site, found, wanted, file)
    except TargetError as error:
        raise VerificationUnread(error.message, advice=error.advice) from error
    if as_json:
        print_json(
            {"backup": found.address, "disk": wanted.original_uuid, "position": wanted.position,
             "device": wanted.device, "name": wanted.name, "file": str(out.absolute()), "format": file.format,
             "size": wanted.virtual_size, "stored": stored}
        )  # fmt: skip
    else:
        what = wanted.device or f"the disk at position {wanted.position}"
        console().print(
            f"[green]extracted[/] {name(what)} of {name(found.address)} to {name(str(out))}:"
            f" {size(wanted.virtual_size)}, of which {size(stored)} are stored",
            soft_wrap=True,
        )
    return 0


def _extract(site: Site, backup: Backup, disk: ImageDisk, file: DiskFile) -> int:
    """Read, prove and write; return the bytes that the file takes of its file system."""
    repository = site.repository(backup.target)
    with file, repository.target:
        repository.prove()
        with reading(backup.address, backup.size) as tell:
            fill(file, StoredDisk(backup, disk, repository, site.registry), tell)
        with waiting(f"making the {file.format}", console(stderr=True)):
            return file.publish(disk.virtual_size)
