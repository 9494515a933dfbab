"""`vmbackup compress`: compress the backups of a target that wait for it. Needs no pool."""

import os
import secrets
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from typing import Annotated

import typer

from vmbackup.cli.options import ConfigOption, StateOption, duration_in_seconds, open_site
from vmbackup.cli.output import console, name, size
from vmbackup.cli.progress import reading
from vmbackup.cli.signals import interruptible
from vmbackup.compress_later import clear, compress, waiting
from vmbackup.errors import ImageError, Interrupted, TargetError, TargetNotProven, VerificationFailed, VmbackupError
from vmbackup.manifest import Begun
from vmbackup.repository import Repository
from vmbackup.results import Backup
from vmbackup.site import Site
from vmbackup.state import Installation

NICEST = 19
ROUND = "1m"


def compress_backups(
    target: Annotated[str, typer.Argument(help="The target, as the configuration names it.")],
    watch: Annotated[bool, typer.Option("--watch", help="Look again and again, until stopped.")] = False,
    every: Annotated[str, typer.Option("--every", metavar="TIME", help="How often --watch looks.")] = ROUND,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, max=64, help="So many backups at once.")] = 1,
    nice: Annotated[bool, typer.Option("--nice", help="Let everything else on this machine go first.")] = False,
    config: ConfigOption = None,
    state: StateOption = None,
) -> int:
    """Compress what waits for it on a target. Exits 13 if a backup is not what its manifest says, 4 if one failed."""
    site = open_site(config, state)
    repository, pause = site.repository(target), duration_in_seconds(every)
    if nice:
        os.nice(NICEST)
    codes, away = {0}, ""
    with (
        interruptible(site.state()),
        site.state().lock(f"compress={target}", f"compression on the target {target!r}"),
    ):
        while True:
            try:
                codes |= set(_round(site, repository, jobs))
            except (TargetError, TargetNotProven) as error:
                # A storage that is away for a while is no reason to stop watching it.
                if not watch:
                    raise
                if error.message != away:
                    console().print(f"[yellow]away[/] {name(target)}: {name(error.message)}", soft_wrap=True)
                away = error.message
            else:
                away = ""
            if not watch:
                return max(codes)
            time.sleep(pause)


def _round(site: Site, repository: Repository, jobs: int) -> list[int]:
    """Finish what a killed worker left, compress what waits, and return an exit code for each backup."""
    with repository.target:
        repository.prove()
        return _compress_all(site, repository, jobs)


def _compress_all(site: Site, repository: Repository, jobs: int) -> list[int]:
    installation = site.state().installation()
    leftovers = list(repository.target.leftovers())
    for backup in repository.backups():
        clear(repository, backup, leftovers, installation.id)
    stop = threading.Event()
    with ThreadPoolExecutor(jobs) as pool:
        try:
            return list(pool.map(partial(_one, site, repository, installation, stop), waiting(repository)))
        except Interrupted:
            stop.set()
            raise


def _one(site: Site, repository: Repository, installation: Installation, stop: threading.Event, backup: Backup) -> int:
    begun = Begun(
        installation=installation.id,
        run_id=secrets.token_hex(8),
        host=installation.host,
        boot_id=installation.boot_id,
        started=datetime.now(UTC),
    )

    def hear(number: int) -> None:
        if stop.is_set():
            raise Interrupted(signal.SIGINT)
        tell(number)

    try:
        with reading(backup.address, None) as tell:
            made = compress(backup, repository, site.registry, begun, hear)
    except ImageError as error:
        return _failed(backup, error, VerificationFailed.exit_code)
    except VmbackupError as error:
        return _failed(backup, error, TargetError.exit_code)
    if made is None:
        console().print(f"[yellow]passed over[/] {name(backup.address)}: another worker has it", soft_wrap=True)
    else:
        console().print(
            f"[green]compressed[/] {name(backup.address)}: {size(backup.size)} to {size(made.size)}", soft_wrap=True
        )
    return 0


def _failed(backup: Backup, error: VmbackupError, code: int) -> int:
    console().print(f"[red]failed[/] {name(backup.address)}: {name(error.message)}", soft_wrap=True)
    if error.advice:
        console().print(f"    {name(error.advice)}", soft_wrap=True)
    return code
