"""The options that several commands share, and what they stand for."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from pydantic import TypeAdapter, ValidationError

from vmbackup.config import Duration
from vmbackup.config_file import find, load, load_plugins
from vmbackup.errors import ConfigError
from vmbackup.registry import Registry
from vmbackup.site import Site

ConfigOption = Annotated[Path | None, typer.Option("--config", "-c", metavar="FILE", help="The configuration file.")]
StateOption = Annotated[Path | None, typer.Option("--state", metavar="DIR", help="The state folder.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
MaxAgeOption = Annotated[str, typer.Option("--max-age", help="How old the newest good backup of a VM may be.")]
TargetOption = Annotated[
    list[str] | None, typer.Option("--target", "-t", metavar="LABEL", help="Only this target; all of them otherwise.")
]


def open_site(config: Path | None, state: Path | None = None) -> Site:
    """Read the configuration and find the plugins."""
    file = load(find(config))
    return Site(file, Registry.installed(file.config.plugins), state.absolute() if state else None)


def open_registry(config: Path | None) -> Registry:
    """Find the plugins that a configuration wants, or all of them where there is none."""
    return Registry.installed(load_plugins(config))


def duration_in_seconds(text: str) -> float:
    """Read a duration as the configuration writes it, such as `2h`. Raises ConfigError."""
    try:
        return TypeAdapter(Duration).validate_python(text)
    except ValidationError:
        raise ConfigError(f"{text!r} is no duration", advice="Write one as 90m, 2h or 1h 30m.") from None


def max_age_in_time(text: str) -> timedelta:
    """Read how old a backup may be, such as `26h`. Raises ConfigError."""
    seconds = duration_in_seconds(text)
    try:
        age = timedelta(seconds=seconds)
        datetime.now(UTC) - age
    except OverflowError:
        raise ConfigError(f"--max-age {text} is longer than the calendar") from None
    return age


def percent(text: str) -> float:
    """Read a share such as `5%`, more than nothing and no more than all, as a part of 1. Raises ConfigError."""
    match = re.fullmatch(r"([0-9]{1,3}(?:\.[0-9]{1,9})?)\s*%", text.strip())
    share = float(match[1]) / 100 if match else 0.0
    if not 0 < share <= 1:
        raise ConfigError(f"{text!r} is no share", advice="Write one as 5% or 0.5%, up to 100%.")
    return share


def pair(option: str, text: str) -> tuple[str, str]:
    """Read `OLD=NEW`; a name with an equals sign in it cannot be the old one. Raises ConfigError."""
    old, equals, new = text.partition("=")
    if not (old and equals and new):
        raise ConfigError(f"{option} {text!r} is no pair", advice=f"Write it as {option} OLD=NEW.")
    return old, new
