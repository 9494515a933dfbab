"""`vmbackup mirror`: copy to the mirrors what they lack, and remove what they need not keep."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Annotated

import typer

from vmbackup.cli.options import ConfigOption, StateOption, open_site
from vmbackup.cli.output import console, duration, name, size
from vmbackup.cli.progress import waiting
from vmbackup.cli.signals import interruptible
from vmbackup.config import Job
from vmbackup.errors import ConfigError
from vmbackup.mirroring import Lying, Visit, mirror_lock
from vmbackup.results import ALL_FAILED, ALL_GOOD, SOME_FAILED, Mirrored
from vmbackup.site import Site


def mirror_backups(
    target: Annotated[str | None, typer.Argument(help="The target to copy from; else those of the jobs.")] = None,
    to: Annotated[
        list[str] | None, typer.Option("--to", metavar="LABEL", help="Only this mirror; all of them otherwise.")
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="The backups of all jobs, not only of those that name the mirror.")
    ] = False,
    config: ConfigOption = None,
    state: StateOption = None,
) -> int:
    """Copy to the mirrors what they lack. Exits 4 if all of it failed, 3 if some did."""
    site = open_site(config, state)
    labels = to or sorted(site.config.mirrors)
    if not labels:
        raise ConfigError("the configuration has no mirrors", advice="See docs/mirrors.md.")
    results = []
    with interruptible(site.state()):
        for label in labels:
            jobs = {job: section for job, section in site.config.jobs.items() if every or label in section.mirrors}
            if not jobs:
                console().print(f"[yellow]no job[/] names the mirror {name(label)}; --all copies all the same")
                continue
            with mirror_lock(site.state(), label):
                for result in _visit(site, label, jobs, target):
                    _tell(result)
                    results.append(result)
    failed = sum(result.failure is not None for result in results)
    if not results:
        console().print("the mirrors lack nothing")
    if not failed:
        return ALL_GOOD
    return ALL_FAILED if failed == len(results) else SOME_FAILED


def _visit(site: Site, label: str, jobs: dict[str, Job], target: str | None) -> Iterator[Mirrored]:
    """Do what there is to do on one mirror."""
    mirror, rules = site.mirror(label)
    labels = [target] if target else sorted({label for job in jobs.values() for label in job.targets})
    lying: list[Lying] = []
    there: set[str] = set()
    with ExitStack() as stack:
        for source in labels:
            repository = site.repository(source)
            stack.enter_context(repository.target)
            repository.prove()
            found = repository.backups()
            there |= {backup.folder for backup in found}
            lying += [(backup, repository) for backup in found if backup.manifest.job in jobs]
        with mirror:
            visit = Visit(mirror, rules, lambda: None)
            with waiting(f"copying to {label}", console()):
                yield from visit.bring(lying)
            # Of some targets alone nobody knows what has vanished from the others.
            yield from visit.clear(there if site.stored_to <= set(labels) else None)


def _tell(result: Mirrored) -> None:
    out = console()
    what = f"{name(result.mirror)}: {name(result.folder)}"
    if result.failure:
        out.print(f"[red]failed[/] {name(result.failure.message)}", soft_wrap=True)
        if result.failure.advice:
            out.print(f"    {name(result.failure.advice)}", soft_wrap=True)
    elif result.did == "copied":
        took = f"{size(result.size)} in {duration(result.seconds)}"
        out.print(f"[green]copied[/] {what}: {took}", soft_wrap=True)
    else:
        out.print(f"[green]removed[/] {what}", soft_wrap=True)


def held(site: Site) -> dict[str, Sequence[str]]:
    """Return which folders each mirror of the configuration holds. Raises what reaching one raises."""
    found: dict[str, Sequence[str]] = {}
    for label in sorted(site.config.mirrors):
        mirror, _ = site.mirror(label)
        with mirror:
            found[label] = list(mirror.holds())
    return found
