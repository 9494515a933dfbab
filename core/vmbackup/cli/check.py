"""`vmbackup check`: hold a target against what targets promise, and say how fast it is."""

from typing import Annotated

import typer

from vmbackup.check import Finding, Speed, examine, measure, refuse_locks
from vmbackup.cli.options import ConfigOption, StateOption, TargetOption, open_site
from vmbackup.cli.output import console, name, size
from vmbackup.cli.progress import reading, waiting
from vmbackup.cli.signals import interruptible
from vmbackup.conformance.holding import scratch
from vmbackup.errors import VerificationFailed
from vmbackup.site import Site

MIB = 1 << 20


def check(
    config: ConfigOption = None,
    state: StateOption = None,
    target: TargetOption = None,
    megabytes: Annotated[
        int | None,
        typer.Option("--size", metavar="MIB", min=1, help="MiB to write and read for the speed; else by time."),
    ] = None,
) -> int:
    """Hold targets against what every target promises, and say how fast they are. Exits 13 if a promise is broken."""
    site = open_site(config, state)
    broken = 0
    with interruptible(site.state()):
        for label in target or sorted(site.config.targets):
            broken += _check(site, label, megabytes)
    return VerificationFailed.exit_code if broken else 0


def _check(site: Site, label: str, megabytes: int | None) -> int:
    """Check one target and return how many promises it breaks."""
    out = console()
    repository = site.repository(label)
    if repository.layout == "xo":
        out.print(f"{label}: only read, and so not checked", soft_wrap=True)
        return 0
    with site.state().lock(f"check={label}", f"check of the target {label!r}"), repository.target:
        repository.prove()
        owner = site.state().installation().id
        refuse_locks(repository.target, owner)
        with scratch(repository.target, owner) as folder:
            findings = []
            with waiting(f"{label}: holding it against its promises", out):
                for finding in examine(repository.target, folder):
                    findings.append(finding)
                    out.print(_line(label, finding), soft_wrap=True)
            with reading(f"{label}: speed", None) as tell:
                speed = measure(repository.target, folder, megabytes and megabytes * MIB, tell)
            out.print(f"{label} speed: {_speed(speed)}", soft_wrap=True)
    broken = sum(not finding.kept for finding in findings)
    out.print(f"{label}: {len(findings) - broken} promises kept, {broken} broken", soft_wrap=True)
    return broken


def _line(label: str, finding: Finding) -> str:
    if finding.kept:
        return f"{label} [green]ok[/]: {finding.promise}"
    return f"{label} [red]failed[/]: {finding.promise}: {name(finding.reason)}"


def _speed(speed: Speed) -> str:
    write, read = (speed.size / MIB / seconds for seconds in (speed.write_seconds, speed.read_seconds))
    return f"write {write:.1f} MiB/s, read {read:.1f} MiB/s, with {size(speed.size)}"
