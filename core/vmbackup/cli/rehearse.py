"""`vmbackup rehearse`: bring backups back where they reach nobody, see that they live, and destroy them again."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

import typer

from vmbackup.cli.into_pool import into_pool
from vmbackup.cli.known import known
from vmbackup.cli.options import ConfigOption, JsonOption, StateOption, TargetOption, duration_in_seconds, open_site
from vmbackup.cli.output import console, duration, name, print_json
from vmbackup.cli.signals import interruptible
from vmbackup.config import Rehearse
from vmbackup.errors import ConfigError, TargetError
from vmbackup.life_sign import LifeSign
from vmbackup.manifest import Rehearsed
from vmbackup.rehearse import Rehearsal, Rules, due, history, keep, newest
from vmbackup.results import ALL_FAILED, ALL_GOOD, SOME_FAILED, Backup, Failure
from vmbackup.site import Site


def rehearse(
    backups: Annotated[list[str] | None, typer.Argument(help="TARGET:VM@TIME, any unique part, or VM@latest.")] = None,
    job: Annotated[
        str | None, typer.Option("--job", metavar="JOB", help="The newest backups of this job, as it says how many.")
    ] = None,
    sr: Annotated[str | None, typer.Option("--sr", help="The SR for the disks, by name or UUID.")] = None,
    network: Annotated[
        str | None, typer.Option("--network", help="A network for the VM, instead of one that is connected to nothing.")
    ] = None,
    wait: Annotated[
        str | None, typer.Option("--wait", metavar="SIGN", help="The sign of life: agent, port:22, or 90s.")
    ] = None,
    within: Annotated[
        str | None, typer.Option("--within", metavar="TIME", help="How long it may take, such as 15m.")
    ] = None,
    config: ConfigOption = None,
    state: StateOption = None,
    target: TargetOption = None,
    as_json: JsonOption = False,
) -> int:
    """Rehearse restores: import, start on a network of its own, wait for a sign of life, destroy. Exits 0, 3 or 4."""
    site = open_site(config, state)
    if bool(backups) == bool(job):
        raise ConfigError("say which backups to rehearse, or --job")
    rules = _rules(site, job, sr=sr, network=network, wait=wait, within=within)
    chosen = _of_job(site, job, target) if job else [known(site, target).choose(text) for text in backups or ()]
    results = []
    with site.state().lock("rehearse=", "rehearsal"), interruptible(site.state()):
        for backup in chosen:
            result, warnings = _rehearse(site, backup, rules)
            results.append(result)
            if not as_json:
                _tell(backup, result, warnings)
    if as_json:
        print_json({"rehearsals": [result.model_dump(mode="json") for result in results]})
    elif not results:
        console().print("nothing is due")
    failed = sum(not result.good for result in results)
    if not failed:
        return ALL_GOOD
    return ALL_FAILED if failed == len(results) else SOME_FAILED


def _rules(
    site: Site, job: str | None, *, sr: str | None, network: str | None, wait: str | None, within: str | None
) -> Rules:
    """Return what the job says, unless the command line says otherwise."""
    said = (site.config.jobs[job].rehearse if job in site.config.jobs else None) or Rehearse()
    return Rules(
        sr=sr or said.sr,
        network=network or said.network,
        sign=LifeSign.parse(wait or said.wait),
        within=duration_in_seconds(within) if within else said.within,
    )


def _of_job(site: Site, job: str, targets: list[str] | None) -> Sequence[Backup]:
    """Return those of a job's newest backups whose turn it is. What targets lie about is asked of each of them."""
    if job not in site.config.jobs:
        jobs = ", ".join(sorted(site.config.jobs)) or "none"
        raise ConfigError(f"there is no job {job!r}", advice=f"There is {jobs}.")
    section = site.config.jobs[job]
    there = known(site, targets or list(section.targets))
    mine = newest(backup for backup in there.backups if backup.manifest.job == job)
    past: dict[str, list[Rehearsed]] = {uuid: [] for uuid in mine}
    for label in dict.fromkeys(backup.target for backup in there.backups):
        repository = site.repository(label)
        with repository.target:
            for uuid, found in history(repository, mine).items():
                past[uuid] += found
    return due(mine, past, datetime.now(UTC), section.rehearse.a_week if section.rehearse else None)


def _rehearse(site: Site, backup: Backup, rules: Rules) -> tuple[Rehearsed, Sequence[Failure]]:
    """Rehearse one backup and keep the result; return what went wrong beside it, too."""
    with into_pool(site, backup, 2) as ends:
        rehearsal = Rehearsal(ends.source, ends.destination, rules, ends.enter)
        result = rehearsal.run()
        warnings = [*ends.warnings, *rehearsal.left]
        if result.step != "plan":
            try:
                keep(result, backup, ends.source.repository)
            except TargetError as error:
                warnings.append(Failure.of("record", error))
    return result, warnings


def _tell(backup: Backup, result: Rehearsed, warnings: Sequence[Failure]) -> None:
    out = console()
    if result.good:
        took = f"imported in {duration(result.import_seconds)}, alive after {duration(result.boot_seconds)}"
        out.print(f"[green]good[/] {name(backup.address)}: {took} ({result.waited_for})", soft_wrap=True)
    else:
        out.print(f"[red]failed[/] {name(backup.address)}: {result.step}: {name(result.message)}", soft_wrap=True)
    for warning in warnings:
        out.print(f"[yellow]warning[/] {name(warning.step)}: {name(warning.message)}", soft_wrap=True)
