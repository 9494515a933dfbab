"""`vmbackup status`: which VMs are protected and which are not, from the targets alone."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from vmbackup.cli.nagios import nagios_line, nagios_lines
from vmbackup.cli.options import ConfigOption, JsonOption, MaxAgeOption, TargetOption, max_age_in_time, open_site
from vmbackup.cli.output import console, print_json, sole_output
from vmbackup.cli.standings import facts, show
from vmbackup.errors import TargetNotProven, VmbackupError
from vmbackup.protection import Level, Status, judge
from vmbackup.survey import survey

UNPROTECTED = 16


def status(
    max_age: MaxAgeOption = "26h",
    config: ConfigOption = None,
    target: TargetOption = None,
    as_json: JsonOption = False,
    nagios: Annotated[bool, typer.Option("--nagios", help="Answer and exit (0 to 3) as a Nagios plugin.")] = False,
) -> int:
    """Say which VMs are protected and which are not. Needs no pool.

    Exits 16 unless every VM that is meant to be is known to be protected, 10 if a target is not there.
    """
    now = datetime.now(UTC)
    if nagios:
        return _for_nagios(max_age, config, target, now)
    oldest, found = _judged(max_age, config, target, now)
    if as_json:
        print_json(facts(found, oldest, now))
    else:
        show(found, now, console())
    if found.away:
        return TargetNotProven.exit_code
    return UNPROTECTED if found.level in {Level.CRITICAL, Level.UNKNOWN} else 0


def _judged(max_age: str, config: Path | None, targets: list[str] | None, now: datetime) -> tuple[timedelta, Status]:
    oldest = max_age_in_time(max_age)
    site = open_site(config)
    return oldest, judge(survey(site, targets or sorted(site.config.targets), now), oldest, now)


def _for_nagios(max_age: str, config: Path | None, targets: list[str] | None, now: datetime) -> int:
    """Answer as a plugin does whatever happens: whoever asks reads standard output, and knows no other codes."""
    out = sole_output()
    try:
        oldest, found = _judged(max_age, config, targets, now)
        lines, code = list(nagios_lines(found, oldest, now)), int(found.level)
    except VmbackupError as error:
        lines, code = [nagios_line(Level.UNKNOWN, error.message)], int(Level.UNKNOWN)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - what its code would be means something else here
        words = f"a bug in vmbackup: {type(error).__name__}: {error}"
        lines, code = [nagios_line(Level.UNKNOWN, words)], int(Level.UNKNOWN)
    out.write("".join(f"{line}\n" for line in lines))
    out.close()
    return code
