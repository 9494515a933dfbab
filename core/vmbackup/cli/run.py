"""`vmbackup run`: run a job."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Annotated, TextIO

import typer
from rich.console import Console

from vmbackup.cli.logs import LogFormat, Wish
from vmbackup.cli.options import ConfigOption, JsonOption, StateOption, open_site
from vmbackup.cli.output import console, duration, name, size, sole_output, table
from vmbackup.cli.run_words import closing_words
from vmbackup.cli.signals import interruptible
from vmbackup.cli.watchers import JsonLines, for_people
from vmbackup.cli.workers import start_workers
from vmbackup.errors import ConfigError
from vmbackup.live import Board, Broadcast
from vmbackup.results import Failure, Report, VMResult, exit_code
from vmbackup.run import run_job
from vmbackup.site import Site
from vmbackup.watch import Several, Watcher


def run(
    job: Annotated[str, typer.Argument(help="The job, as the configuration names it.")],
    config: ConfigOption = None,
    state: StateOption = None,
    as_json: JsonOption = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 5 if there were warnings.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but what is wrong.")] = False,
    log_format: Annotated[
        LogFormat | None, typer.Option("--log-format", help="How log lines look; by itself it is seen where they go.")
    ] = None,
) -> int:
    """Run a job: back up its VMs, prove each backup, and remove what is kept no longer."""
    if as_json and (quiet or log_format):
        raise ConfigError("--json prints the events of a run; it has no log lines for --log-format or --quiet")
    # Before any plugin is imported, and may print.
    out = sole_output() if as_json else None
    site = open_site(config, state)
    wish = Wish(log_format or site.config.log.format, quiet)
    with interruptible(site.state()), looking_on(site, wish, out, strict=strict) as watcher:
        report = run_job(site, job, watcher)
    if wish.summary and not as_json:
        summary(report, console())
    start_workers(site, job, report)
    return exit_code(report, strict=strict)


@contextmanager
def looking_on(site: Site, wish: Wish, out: TextIO | None, *, strict: bool) -> Iterator[Watcher]:
    """Give the watcher of a run: for `vmbackup watch`, and for people, or for programs on `out`."""
    board = Board(strict=strict)
    broadcast = Broadcast(site.state().folder, board.picture)
    seen: AbstractContextManager[Watcher] = nullcontext(JsonLines(out)) if out else for_people(board, wish)
    with seen as watcher:
        yield Several((board, broadcast, watcher))


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
    word, figures = closing_words(report)
    colour = "red" if report.interrupted or report.failed else "green"
    out.print(f"[{colour}]{word}[/]: {figures}", soft_wrap=True)


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
