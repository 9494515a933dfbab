"""`vmbackup target`: set a target up."""

import uuid
from datetime import UTC, datetime
from typing import Annotated

import typer

from vmbackup.cli.options import ConfigOption, open_site
from vmbackup.cli.output import console
from vmbackup.manifest import Identity

app = typer.Typer(help="Set targets up.", no_args_is_help=True)


@app.callback()
def _target() -> None:
    """Set targets up."""


@app.command("init")
def init(
    label: Annotated[str, typer.Argument(help="The target, as the configuration names it.")],
    not_empty: Annotated[
        bool, typer.Option("--not-empty", help="Other things may lie there; they stay untouched.")
    ] = False,
    config: ConfigOption = None,
) -> int:
    """Make an empty target ours, and print the id that the configuration needs."""
    repository = open_site(config).repository(label)
    identity = Identity(id=str(uuid.uuid4()), label=label, created=datetime.now(UTC))
    with repository.target:
        repository.initialise(identity, not_empty=not_empty)
    out = console()
    out.print(f"The target {label} is set up. Write into \\[targets.{label}]:", soft_wrap=True)
    out.print()
    out.print(f'    id = "{identity.id}"', soft_wrap=True)
    return 0
