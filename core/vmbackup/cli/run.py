"""`vmbackup run`: run a job."""

from typing import Annotated

import typer
from rich.console import Console

from vmbackup.cli.options import ConfigOption, JsonOption, StateOption, open_site
from vmbackup.cli.output import console, duration, name, size, sole_output, table
from vmbackup.cli.signals import interruptible
from vmbackup.cli.watchers import JsonLines, watcher_for_people
from vmbackup.cli.workers import start_workers
from vmbackup.results import Failure, Report, VMResult, exit_code
from vmbackup.run import run_job


def run(
    job: Annotated[str, typer.Argument(help="The job, as the configuration names it.")],
    config: ConfigOption = None,
    state: StateOption = None,
    as_json: JsonOption = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 5 if there were warnings.")] = False,
) -> int:
    """Run a job: back up its VMs, prove each backup, and remove what is kept no longer."""
    watcher = JsonLines(sole_output()) if as_json else watcher_for_people()
    site = open_site(config, state)
    with interruptible(site.state()):
        report = run_job(site, job, watcher)
    if not as_json:
        summary(report, console())
    start_workers(site, job, report)
    return exit_code(report, strict=strict)


def summary(report: Report, out: Console) -> None:
    """Print what came of a run."""
    out.print()
    if report.results:
        shown = table("VM", "method", "result", "read", "stored", "time", right=("read", "stored", "time"))
        for result in report.results:
            stored = sum(outcome.backup.size for outcome in result.outcomes if outcome.backup)
            row = (
                name(result.vm),
                result.method,
                word_for(result),
                size(result.read),
                size(stored),
                duration(result.seconds),
            )
            shown.add_row(*row)
        out.print(shown)
    for result in report.results:
        for outcome in result.own_failures:
            if outcome.failure:
                _failure(out, f"{result.vm} on {outcome.target}", outcome.failure)
    for failure in report.failures:
        _failure(out, report.run.job, failure)
    for warning in report.all_warnings:
        out.print(f"[yellow]warning[/] {name(warning.step)}: {name(warning.message)}", soft_wrap=True)
    removed = sum(removal.failure is None for removal in report.removals)
    copied = sum(one.did == "copied" and one.failure is None for one in report.mirrored)
    copies = f" {copied} copies on mirrors," if report.mirrored else ""
    seconds = (report.finished - report.run.started).total_seconds()
    word = "[green]all good[/]"
    if report.interrupted or report.failed:
        word = "[red]stopped[/]" if report.interrupted else "[red]not all good[/]"
    partly = sum(result.partly for result in report.results)
    some = f" {partly} on some targets only," if partly else ""
    out.print(
        f"{word}: {report.succeeded} good,{some} {report.failed - partly} failed, {len(report.all_warnings)} warnings,"
        f"{copies} {removed} old backups removed, {duration(seconds)}",
        soft_wrap=True,
    )


def word_for(result: VMResult) -> str:
    """Say in a word or two what came of a VM."""
    if result.partly:
        return (
            f"[yellow]on {sum(outcome.backup is not None for outcome in result.outcomes)} of {len(result.outcomes)}[/]"
        )
    return "[green]good[/]" if result.good else "[red]failed[/]"


def _failure(out: Console, where: str, failure: Failure) -> None:
    message = "\n    ".join(name(line) for line in failure.message.splitlines())
    out.print(f"[red]failed[/] {name(where)}: {failure.step}: {message}", soft_wrap=True)
    if failure.advice:
        out.print(f"    {name(failure.advice)}", soft_wrap=True)
