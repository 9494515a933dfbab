"""`vmbackup verify`: read backups back and prove them again."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

import typer

from vmbackup.cli.known import known
from vmbackup.cli.options import (
    ConfigOption,
    JsonOption,
    StateOption,
    TargetOption,
    duration_in_seconds,
    open_site,
    percent,
)
from vmbackup.cli.progress import reading
from vmbackup.cli.signals import interruptible
from vmbackup.cli.verdicts import Said
from vmbackup.errors import ConfigError, TargetError, VerificationUnread
from vmbackup.repository import Repository
from vmbackup.results import Backup
from vmbackup.site import Site
from vmbackup.verify import Clock, Depth, Verdict, Wrong, in_turn, keep, result_of, verify


def verify_backups(
    backups: Annotated[list[str] | None, typer.Argument(help="TARGET:VM@TIME, any unique part, or VM@latest.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every backup, those not verified for longest first.")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="Only that every file is there and has its size.")] = False,
    sample: Annotated[
        str | None, typer.Option("--sample", metavar="SHARE", help="A share of each image, such as 5%, by chance.")
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Every byte; so it is where nothing is said.")] = False,
    max_duration: Annotated[
        str | None, typer.Option("--max-duration", metavar="TIME", help="Stop after so long, such as 2h.")
    ] = None,
    config: ConfigOption = None,
    state: StateOption = None,
    target: TargetOption = None,
    as_json: JsonOption = False,
) -> int:
    """Read backups back and prove them again, digests and images. Exits 13 if one is wrong, 15 if one is not read."""
    site = open_site(config, state)
    if bool(backups) == every:
        raise ConfigError("say which backups to verify, or --all")
    depth = _depth(quick=quick, sample=sample, full=full)
    clock = Clock(duration_in_seconds(max_duration) if max_duration else None)
    try:
        there = known(site, target)
        turns = in_turn(there.backups, depth.level) if every else [there.choose(text) for text in backups or ()]
    except TargetError as error:
        raise VerificationUnread(error.message, advice=error.advice) from error
    said = Said(depth.level, as_json=as_json)
    for label, reason in there.away if every else ():
        said.away(label, reason)
    for label, found in there.broken if every else ():
        said.broken(label, found)
    with interruptible(site.state()):
        said.left(_verify_all(site, turns, depth, clock, said))
    return said.end()


def _depth(*, quick: bool, sample: str | None, full: bool) -> Depth:
    if quick + bool(sample) + full > 1:
        raise ConfigError("say one of --quick, --sample and --full")
    if sample:
        return Depth("sample", percent(sample))
    return Depth("quick") if quick else Depth()


def _verify_all(site: Site, turns: Sequence[Backup], depth: Depth, clock: Clock, said: Said) -> Sequence[Backup]:
    """Verify one after the other and say what comes of each; return those that the time did not suffice for."""
    for number, backup in enumerate(turns):
        if clock.up:
            return turns[number:]
        verdict, warning = _verify(site, backup, depth, clock, first=number == 0)
        said.verdict(verdict, warning)
        if verdict.unfinished:
            return turns[number:]
    return ()


def _verify(site: Site, backup: Backup, depth: Depth, clock: Clock, *, first: bool) -> tuple[Verdict, str]:
    """Verify one backup and keep the result; return, too, why it could not be kept, or ""."""
    repository = site.repository(backup.target)
    try:
        with repository.target, reading(backup.address, depth.estimate(backup)) as shown:
            repository.prove()

            def tell(size: int) -> None:
                shown(size)
                clock.check()

            verdict = verify(backup, repository, site.registry, tell, depth)
            return verdict, _keep(verdict, repository, first=first)
    except TargetError as error:
        return Verdict(backup, (Wrong("", error.message, unread=True),), 0, depth), ""


def _keep(verdict: Verdict, repository: Repository, *, first: bool) -> str:
    result = result_of(verdict, datetime.now(UTC))
    # One that was cut short is the next call's first again, unless a whole call was not enough for it: then others go
    # before it, since it would keep them waiting for ever.
    if result is None or (verdict.word == "unfinished" and not first):
        return ""
    try:
        keep(result, verdict.backup, repository)
    except TargetError as error:
        return f"the result could not be kept: {error.message}"
    return ""
