"""The options that several commands share, and what they stand for."""

from pathlib import Path
from typing import Annotated

import typer

from vmbackup.config_file import find, load
from vmbackup.registry import Registry
from vmbackup.site import Site

ConfigOption = Annotated[Path | None, typer.Option("--config", "-c", metavar="FILE", help="The configuration file.")]
StateOption = Annotated[Path | None, typer.Option("--state", metavar="DIR", help="The state folder.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
TargetOption = Annotated[
    list[str] | None, typer.Option("--target", "-t", metavar="LABEL", help="Only this target; all of them otherwise.")
]


def open_site(config: Path | None, state: Path | None = None) -> Site:
    """Read the configuration and find the plugins."""
    return Site(load(find(config)), Registry.installed(), state.absolute() if state else None)
