"""`vmbackup verify`: read backups back and prove them again."""

from typing import Annotated

import typer

from vmbackup.address import resolve
from vmbackup.cli.listing import all_backups
from vmbackup.cli.options import ConfigOption, JsonOption, StateOption, TargetOption, open_site
from vmbackup.cli.output import console, name, print_json, size
from vmbackup.cli.progress import reading
from vmbackup.cli.signals import interruptible
from vmbackup.errors import ConfigError, VerificationFailed
from vmbackup.results import Backup
from vmbackup.site import Site
from vmbackup.verify import Verdict, verify


def verify_backups(
    backups: Annotated[list[str] | None, typer.Argument(help="TARGET:VM@TIME, any unique part, or VM@latest.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every backup.")] = False,
    config: ConfigOption = None,
    state: StateOption = None,
    target: TargetOption = None,
    as_json: JsonOption = False,
) -> int:
    """Read backups back and prove them again, digests and images. Exits 13 if one is not good."""
    site = open_site(config, state)
    if bool(backups) == every:
        raise ConfigError("say which backups to verify, or --all")
    known, broken = all_backups(site, target)
    chosen = known if every else [resolve(text, known) for text in backups or ()]
    verdicts = []
    with interruptible(site.state()):
        for backup in chosen:
            verdict = _verify(site, backup)
            verdicts.append(verdict)
            if not as_json:
                _show(verdict)
    failed = [verdict for verdict in verdicts if not verdict.good]
    unbelievable = broken if every else []
    if as_json:
        print_json({"ok": not failed and not unbelievable, "backups": [_facts(verdict) for verdict in verdicts]})
    else:
        for label, found in unbelievable:
            console().print(f"[red]broken[/] {label}:{found.folder}: {name(found.reason)}", soft_wrap=True)
        console().print(f"{len(verdicts) - len(failed)} good, {len(failed) + len(unbelievable)} not")
    return VerificationFailed.exit_code if failed or unbelievable else 0


def _verify(site: Site, backup: Backup) -> Verdict:
    repository = site.repository(backup.target)
    with repository.target, reading(backup.address, backup.size) as tell:
        repository.prove()
        return verify(backup, repository, site.registry, tell)


def _show(verdict: Verdict) -> None:
    out = console()
    address = name(verdict.backup.address)
    if verdict.good:
        out.print(f"[green]good[/] {address}, {size(verdict.read)} read", soft_wrap=True)
    for wrong in verdict.wrong:
        word = "[yellow]could not read[/]" if wrong.unread else "[red]wrong[/]"
        out.print(f"{word} {address}: {wrong.file}: {name(wrong.message)}", soft_wrap=True)


def _facts(verdict: Verdict) -> dict[str, object]:
    return {
        "address": verdict.backup.address,
        "good": verdict.good,
        "read": verdict.read,
        "wrong": [{"file": wrong.file, "message": wrong.message, "unread": wrong.unread} for wrong in verdict.wrong],
    }
