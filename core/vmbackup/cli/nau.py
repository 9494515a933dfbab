"""`vmbackup nau`: the command line of NAU VMbackup, as it stands in a crontab."""

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from vmbackup.cli.nau_call import Call
from vmbackup.cli.nau_reading import (
    AllVmsOption,
    DialectOption,
    FingerprintOption,
    PoolOption,
    SettingsOption,
    read_subject,
)
from vmbackup.cli.options import JsonOption, StateOption
from vmbackup.cli.output import console, name
from vmbackup.nau.password import Password, overwrite_argument, read_password, write_password
from vmbackup.nau.site_file import surroundings
from vmbackup.nau.texts import EXAMPLE, HELP, KEYS
from vmbackup.nau.words import Words, parse
from vmbackup.state import State

TEXTS = {"help": HELP, "config": KEYS, "example": EXAMPLE}


def nau(
    words: Annotated[
        list[str] | None, typer.Argument(metavar="PASSWORD-FILE CONFIG [WORD]…", help="As ever; `help` says more.")
    ] = None,
    pool: PoolOption = None,
    fingerprint: FingerprintOption = None,
    settings: SettingsOption = None,
    dialect: DialectOption = None,
    all_vms: AllVmsOption = False,
    state: StateOption = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 5 if there were warnings.")] = False,
    as_json: JsonOption = False,
) -> int:
    """Run a configuration of NAU VMbackup, unchanged, from its old command line."""
    if texts := [TEXTS[word] for word in words or () if word in TEXTS]:
        sys.stdout.write("\n".join(texts))
        return 0
    line = parse(words or ())
    if line.create is not None:
        return _create(line.password, Path(line.create))
    password = read_password(line.password)
    if password.warning:
        sys.stderr.write(f"vmbackup: warning: {password.warning}\n")
    around = surroundings(settings, pool, fingerprint)
    reading = read_subject(line, dialect, around, all_vms=all_vms)
    again = _again(line, password, settings, state)
    call = Call(line, password, around, reading, State(around.state(state)), again)
    if line.switches.init:
        return call.init()
    return call.preview(as_json) if line.switches.preview else call.run(as_json, strict)


def _create(password: str, path: Path) -> int:
    """Write a password file."""
    overwrite_argument(password)
    write_password(path, password)
    console().print(f"{name(str(path))} holds the password, in Base64, for its owner alone.", soft_wrap=True)
    return 0


def _again(words: Words, password: Password, settings: Path | None, state: Path | None) -> str:
    """Return the line that makes the folder known; a password that is in no file has no place in it."""
    line = ["vmbackup", "nau", str(password.file or "PASSWORD-FILE"), words.subject, "init"]
    line += ["--settings", str(settings)] if settings else []
    line += ["--state", str(state)] if state else []
    return shlex.join(line)
