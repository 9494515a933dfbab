"""`vmbackup config`: what the configuration may say, for editors."""

import json
import sys

import typer

from vmbackup.config_schema import config_schema
from vmbackup.registry import Registry

app = typer.Typer(help="What the configuration may say.", no_args_is_help=True)


@app.callback()
def _config() -> None:
    """What the configuration may say."""


@app.command("schema")
def schema() -> int:
    """Print the JSON Schema of the configuration, with the sections of all installed plugins, for editors."""
    sys.stdout.write(json.dumps(config_schema(Registry.installed()), indent=2, ensure_ascii=False) + "\n")
    return 0
