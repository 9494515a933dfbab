"""`vmbackup site`: write a static site of all that the targets hold."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from vmbackup.cli.options import ConfigOption, JsonOption, MaxAgeOption, max_age_in_time, open_site
from vmbackup.cli.output import console, name, print_json
from vmbackup.errors import TargetNotProven
from vmbackup.metadata import one_line
from vmbackup.results import Failure


def write_site(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="A folder that is new, empty, or holds an earlier site.")
    ],
    max_age: MaxAgeOption = "26h",
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> int:
    """Write a static site of all backups and runs, for people. Needs no pool. Exits 10 if a target is not there."""
    # What draws pages takes a while to import.
    from vmbackup.website import gather, pages, publish  # noqa: PLC0415 - see above

    holdings = gather(open_site(config), max_age_in_time(max_age), datetime.now(UTC), _warn)
    away = holdings.seen.away
    files = pages(holdings)
    publish(files, folder)
    if as_json:
        facts = {"pages": len(files), "vms": len(holdings.machines), "runs": len(holdings.runs)}
        print_json({"folder": str(folder), **facts, "away": dict(away)})
    else:
        out = console()
        for label, message in away:
            out.print(f"[yellow]away[/] {name(label)}: {name(message)}", soft_wrap=True)
        out.print(
            f"{len(holdings.machines)} VMs and {len(holdings.runs)} runs: {name(str(folder / 'index.html'))}",
            soft_wrap=True,
        )
    return TargetNotProven.exit_code if away else 0


def _warn(failure: Failure) -> None:
    sys.stderr.write(f"vmbackup: warning: {one_line(failure.message)}\n")
