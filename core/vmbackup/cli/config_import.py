"""`vmbackup config import`: a configuration of NAU VMbackup as one of ours, and the proof that both select the same."""

import sys
import tomllib
from pathlib import Path
from typing import Annotated

import typer

from vmbackup.cli.nau_reading import (
    AllVmsOption,
    DialectOption,
    FingerprintOption,
    PoolOption,
    SettingsOption,
    read_subject,
    tell,
)
from vmbackup.cli.options import StateOption
from vmbackup.config import Config, Section
from vmbackup.config_file import ConfigFile
from vmbackup.errors import ConfigError, PlanError
from vmbackup.metadata import one_line
from vmbackup.models import VM
from vmbackup.nau.agreement import differences, taken
from vmbackup.nau.conversion import Converted, convert
from vmbackup.nau.folder import remembered
from vmbackup.nau.resolving import remarks
from vmbackup.nau.site_file import Surroundings, surroundings
from vmbackup.nau.words import Words, parse_switches
from vmbackup.nau.written import text_of
from vmbackup.registry import Registry
from vmbackup.site import Site
from vmbackup.state import State
from vmbackup.xapi.inventory import read_inventory, read_pool

EXAMPLE_URL = "https://xen1.example.edu"
PASSWORD = "/etc/vmbackup/pool.password"  # noqa: S105 - where it is, not what it is


def import_nau(
    file: Annotated[Path, typer.Argument(help="A configuration of NAU VMbackup, of 3.0 or later.")],
    words: Annotated[
        list[str] | None, typer.Argument(metavar="[WORD]…", help="Switches of its old line, such as compress=True.")
    ] = None,
    pool: PoolOption = None,
    fingerprint: FingerprintOption = None,
    password_file: Annotated[
        Path | None, typer.Option("--password-file", metavar="FILE", help="The old password file, to go on with.")
    ] = None,
    settings: SettingsOption = None,
    dialect: DialectOption = None,
    all_vms: AllVmsOption = False,
    check: Annotated[
        bool, typer.Option("--check", help="Prove on the pool that both take the same VMs; exits 2 if not.")
    ] = False,
    state: StateOption = None,
) -> int:
    """Write a configuration of NAU VMbackup as one of vmbackup's, each line with what it comes from."""
    if not file.exists():
        raise ConfigError(f"there is no file {file}")
    around = surroundings(settings, pool, fingerprint)
    line = Words("", str(file), None, parse_switches(words or ()))
    reading = read_subject(line, dialect, around, all_vms=all_vms)
    folder = State(around.state(state))
    converted = convert(
        reading,
        compress=line.switches.compress,
        identity=remembered(folder, reading.scalars.backup_dir),
        state=around.file.state,
        more=around.file.more,
    )
    known = pool is not None or "url" in around.file.pool
    if check and not known:
        around.pool("")  # says how a pool is named
    section = _pool(around, password_file, known=known)
    text = text_of(converted, section, _about(known=known, password_file=password_file))
    if check:
        _check(text, converted, folder)
    sys.stdout.write(text)
    return 0


def _pool(around: Surroundings, password_file: Path | None, *, known: bool) -> Section:
    """Return the section of the pool: where nobody said which, with an example that is to be changed."""
    password: Section = {"file": PASSWORD}
    if password_file is not None:
        password = {"command": ["base64", "--decode", "--ignore-garbage", str(password_file.absolute())]}
    if known:
        section = around.pool(password)
        return {"url": section.pop("url"), **section}
    return {"url": EXAMPLE_URL, "username": "root", "password": password}


def _about(*, known: bool, password_file: Path | None) -> dict[str, str]:
    url = {} if known else {"url": "TO BE CHANGED: NAU VMbackup ran inside the pool, and had not to be told"}
    username = "as whom NAU logged in; another with the role vm-power-admin will do"
    password = "the old file, in Base64" if password_file else "in clear, with mode 0600"
    return {**url, "username": username, "password": password}


def _check(text: str, converted: Converted, state: State) -> None:
    """Hold what was written against what was read, on the pool. Raises PlanError where they differ."""
    reading = converted.reading
    config = Config.model_validate(tomllib.loads(text))
    site = Site(ConfigFile(Path(reading.path), text, config), Registry.installed(), state.folder)
    with site.session("vmbackup-import") as session:
        pool = read_pool(session)
        vms = read_inventory(session, pool).vms
    tell(reading, remarks(reading, [vm.name for vm in vms]))
    job = config.jobs[converted.job_name]
    if found := list(differences(reading, job, vms)):
        raise PlanError("\n".join(found), advice="This is a bug: please report it with both files.")
    sys.stderr.write(f"vmbackup: {one_line(_agreed(converted, pool.name, vms))}\n")


def _agreed(converted: Converted, pool: str, vms: tuple[VM, ...]) -> str:
    count = taken(converted.reading, vms)
    return (
        f"checked on the pool {pool!r}: both take the same {count} of its {len(vms)} VMs, by the same methods, and keep"
        " as many copies"
    )
