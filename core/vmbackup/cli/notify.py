"""`vmbackup notify`: try a notifier with a sample, and tell what was kept because nobody could be told."""

import secrets
from contextlib import closing
from dataclasses import replace
from typing import Annotated

import typer

from vmbackup.cli.options import ConfigOption, JsonOption, StateOption, open_site
from vmbackup.cli.output import console, name, print_json
from vmbackup.cli.signals import interruptible
from vmbackup.conformance import reports
from vmbackup.containment import Contained
from vmbackup.errors import NotifyError
from vmbackup.post import Post, Retold
from vmbackup.records import REPORT
from vmbackup.results import Failure, Report

SAMPLE = "a run that was good with one VM alone"

app = typer.Typer(help="Try notifiers, and tell what was kept.", no_args_is_help=True)


@app.callback()
def _notify() -> None:
    """Try notifiers, and tell what was kept."""


@app.command("test")
def try_one(
    label: Annotated[str, typer.Argument(help="The notifier, as the configuration names it.")],
    config: ConfigOption = None,
) -> int:
    """Send a sample report of a job "sample", at once, whatever the notifier is told of otherwise."""
    site = open_site(config)
    notifier = site.notifier(label)
    with closing(Contained(site.config.plugins.timeout)) as contained:
        ended = contained.call(f"notifier {label}", lambda: notifier.notify(sample()))
    if ended.failure:
        raise NotifyError(ended.failure.message, advice=ended.failure.advice)
    console().print(f"{name(label)}: the sample was taken", soft_wrap=True)
    return 0


@app.command("flush")
def flush(
    labels: Annotated[
        list[str] | None, typer.Argument(metavar="[LABEL]...", help="Only for these notifiers; for all otherwise.")
    ] = None,
    config: ConfigOption = None,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> int:
    """Tell what was kept because nobody could be told. Exits 1 if something had to be kept again."""
    site = open_site(config, state)
    for label in labels or ():
        site.notifier(label)
    post = Post(site.state(), (), site.notifier)
    with interruptible(site.state()), closing(Contained(site.config.plugins.timeout)) as contained:
        retold = list(post.flush(lambda _, who, tell: contained.call(who, tell), labels or ()))
    dropped, unknown = list(post.dropped()), list(post.unknown())
    if as_json:
        told = [_facts(one) for one in retold]
        print_json({"told": told, "dropped": [failure.message for failure in dropped], "unknown": unknown})
    else:
        _show(retold, dropped)
        for label in unknown:
            console().print(f"[yellow]kept[/] {name(label)}: the configuration has no such notifier", soft_wrap=True)
    return 0 if all(one.good for one in retold) else NotifyError.exit_code


def sample() -> Report:
    """Return a report that nobody takes for one of their own."""
    report = reports()[SAMPLE]
    # An id of its own: a receiver would take the same again for the same.
    run = replace(report.run, id=secrets.token_hex(8), job="sample", pool=replace(report.run.pool, name="sample pool"))
    return replace(report, run=run)


def _show(retold: list[Retold], dropped: list[Failure]) -> None:
    out = console()
    for one in retold:
        run = one.kept.report.run
        what = f"{one.kept.notifier}: {run.job} of {run.started:%Y-%m-%d %H:%M:%SZ}"
        out.print(f"{'[green]told[/]' if one.good else '[red]kept[/]'} {name(what)}", soft_wrap=True)
        _warn(one.said)
    _warn(dropped)
    if not retold:
        out.print("Nothing is kept.")


def _warn(said: list[Failure] | tuple[Failure, ...]) -> None:
    out = console()
    for failure in said:
        out.print(f"[yellow]warning[/] {name(failure.step)}: {name(failure.message)}", soft_wrap=True)
        if failure.advice:
            out.print(f"    {name(failure.advice)}", soft_wrap=True)


def _facts(one: Retold) -> dict[str, object]:
    run = REPORT.dump_python(one.kept.report, mode="json")["run"]
    said = [failure.message for failure in one.said]
    return {"notifier": one.kept.notifier, "run": run, "told": one.good, "said": said}
