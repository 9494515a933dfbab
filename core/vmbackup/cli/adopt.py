"""`vmbackup adopt`: old backups of NAU VMbackup become backups of ours where they lie. Needs no pool."""

import secrets
from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from vmbackup.adopt import ADOPTED, Adopter, Attempt, Stranger, clear, find, known
from vmbackup.cli.adoptions import Adoptions
from vmbackup.cli.options import ConfigOption, JsonOption, StateOption, open_site
from vmbackup.cli.progress import reading
from vmbackup.cli.signals import interruptible
from vmbackup.contracts import Names, OtherNames
from vmbackup.errors import ConfigError, TargetError, TargetNotProven
from vmbackup.journal import Journal
from vmbackup.manifest import Begun
from vmbackup.repository import POOL_DATABASE, REHEARSALS, RUNS, Repository
from vmbackup.site import Site
from vmbackup.state import State


def adopt(
    folder: Annotated[
        str,
        typer.Argument(help="The folder with a folder for each VM: a path, or a folder on the target that is named."),
    ],
    target: Annotated[
        str | None, typer.Option("--target", "-t", metavar="LABEL", help="The target that it lies on; found by itself.")
    ] = None,
    job: Annotated[
        str | None, typer.Option("--job", metavar="JOB", help="The job whose retention they go by; the only one there.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be adopted; change nothing.")] = False,
    config: ConfigOption = None,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> int:
    """Adopt old backups of NAU VMbackup where they lie, once proven. Exits 13 if one is wrong, 15 if one is unread."""
    site = open_site(config, state)
    label, base = (target, _on_target(site, target, folder)) if target else _found(site, folder)
    keeper = _job(site, label, job)
    repository = site.repository(label)
    said = Adoptions(as_json=as_json)
    if dry_run:
        with repository.target:
            other, done = _other(repository), known(repository)
            said.preview(find(other, base, _ours(repository, base)), done, other, keeper)
        return 0
    with (
        interruptible(site.state()),
        site.state().lock(f"adopt={label}", f"adoption on the target {label!r}"),
        repository.target,
    ):
        repository.prove()
        for attempt in _adopt_all(site.state(), repository, base, keeper):
            said.attempt(attempt)
    return said.end()


def _adopt_all(state: State, repository: Repository, base: Names, job: str) -> Iterator[Attempt | Stranger]:
    """Adopt one copy after the other; what is adopted already, or left alone, is told in its place."""
    other, run_id = _other(repository), secrets.token_hex(8)
    # A run that comes by takes what was begun by somebody who has no journal for dead.
    with Journal.begin(state.journals, run_id, "") as journal:
        begun = _begun(state, journal.run_id)
        busy = set(clear(repository, begun.installation))
        done = known(repository)
        adopter = Adopter(repository, other, begun, job)
        for found in find(other, base, _ours(repository, base)):
            if isinstance(found, Stranger):
                yield found
            elif found.folder in done:
                yield Attempt(found, "already", backup=done[found.folder])
            elif found.path in busy:
                yield Attempt(found, "left", "another machine is adopting it")
            else:
                with reading(found.path, found.image.file.size if found.image else None) as tell:
                    attempt = adopter.adopt(found, tell)
                yield attempt


def _begun(state: State, run_id: str) -> Begun:
    here = state.installation()
    return Begun(installation=here.id, run_id=run_id, host=here.host, boot_id=here.boot_id, started=datetime.now(UTC))


def _ours(repository: Repository, base: Names) -> Collection[str]:
    """Return the folders at the target's root that hold backups of ours, records and the like."""
    if base:
        return ()
    tops = {found.folder.partition("/")[0] for found in repository.scan()}
    return tops | {ADOPTED, RUNS, REHEARSALS, POOL_DATABASE}


def _other(repository: Repository) -> OtherNames:
    other = repository.target.other_names()
    if other is None:
        raise ConfigError(
            f"the target {repository.target.label} keeps files under keys alone, so that nothing old can lie there",
            advice='Old backups lie on a target of type "local" or "nfs".',
        )
    return other


def _on_target(site: Site, label: str, folder: str) -> Names:
    """Return where on a target a folder is, which is given by a path or as it is called there."""
    path = Path(folder)
    if not path.is_absolute():
        if ".." in path.parts:
            raise ConfigError(f"{folder}: a folder on the target, without ..")
        return path.parts
    repository = site.repository(label)
    with repository.target:
        below = _below(repository, path)
    if below is None:
        raise ConfigError(f"{folder} is not on the target {label}", advice="Name a folder on it: . is all of it.")
    return below


def _found(site: Site, folder: str) -> tuple[str, Names]:
    """Return the target that a path lies on, and where. Raises ConfigError."""
    path = Path(folder).absolute()
    found: list[tuple[str, Names]] = []
    for label in site.config.targets:
        repository = site.repository(label)
        if not repository.target.any_name:
            continue
        try:
            with repository.target:
                below = _below(repository, path)
        except (TargetError, TargetNotProven):
            continue
        found += [(label, below)] if below is not None else []
    if not found:
        raise ConfigError(
            f"{path} is on no target of the configuration",
            advice=f'Add [targets.old] with type = "local" and path = "{path}", and call\n'
            "vmbackup target init old --not-empty",
        )
    if len(found) > 1:
        labels = ", ".join(label for label, _ in found)
        raise ConfigError(f"{path} is on several targets: {labels}", advice="Name one with --target.")
    return found[0]


def _below(repository: Repository, path: Path) -> Names | None:
    """Return where below the root of an entered target a path leads, if it does."""
    marked = repository.target.local_path("vmbackup")
    try:
        return path.resolve().relative_to(marked.parent.resolve()).parts if marked else None
    except ValueError:
        return None


def _job(site: Site, label: str, wanted: str | None) -> str:
    """Return the job whose retention what is adopted goes by. Raises ConfigError."""
    jobs = [job for job, rules in site.config.jobs.items() if label in rules.targets]
    if wanted is None and len(jobs) == 1:
        return jobs[0]
    if wanted in jobs:
        return wanted
    raise ConfigError(
        f"{wanted!r} is no job that stores to the target {label}" if wanted else f"{len(jobs)} jobs store to {label}",
        advice=f"Say by whose retention they go: --job {' or '.join(jobs)}."
        if jobs
        else f"Name {label} in the targets of the job whose retention they are to go by.",
    )
