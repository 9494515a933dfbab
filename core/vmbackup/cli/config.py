"""`vmbackup config`: what the configuration may say, for editors, and one of NAU VMbackup's as ours."""

import json
import sys

import typer

from vmbackup.cli import config_import
from vmbackup.cli.options import ConfigOption, open_registry
from vmbackup.config_schema import config_schema

app = typer.Typer(help="What the configuration may say, and where one comes from.", no_args_is_help=True)


@app.callback()
def _config() -> None:
    """What the configuration may say, and where one comes from."""


app.command("import")(config_import.import_nau)


@app.command("schema")
def schema(config: ConfigOption = None) -> int:
    """Print the JSON Schema of the configuration, with the sections of all installed plugins, for editors."""
    sys.stdout.write(json.dumps(config_schema(open_registry(config)), indent=2, ensure_ascii=False) + "\n")
    return 0
