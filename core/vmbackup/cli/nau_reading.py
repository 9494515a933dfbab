"""What the commands share that read a configuration of NAU VMbackup: their options, and reading it."""

import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from vmbackup.errors import ConfigError
from vmbackup.metadata import one_line
from vmbackup.nau.lines import Note
from vmbackup.nau.reader import read_file, read_selector
from vmbackup.nau.reading import Dialect, Reading
from vmbackup.nau.site_file import PATH, Surroundings
from vmbackup.nau.words import Switches, Words

PoolOption = Annotated[str | None, typer.Option("--pool", metavar="URL", help="https://host of the coordinator.")]
FingerprintOption = Annotated[
    str | None, typer.Option("--fingerprint", metavar="SHA256", help="Of the certificate that is trusted.")
]
SettingsOption = Annotated[
    Path | None, typer.Option("--settings", metavar="FILE", help=f"Instead of {PATH}, which need not be there.")
]
DialectOption = Annotated[
    Dialect | None, typer.Option("--dialect", help="How selectors are read; recognised where it is not said.")
]
AllVmsOption = Annotated[
    bool, typer.Option("--all-vms", help="That a selector which names nothing takes all VMs, as it did.")
]


def read_subject(words: Words, dialect: Dialect | None, around: Surroundings, *, all_vms: bool) -> Reading:
    """Read the file or the selector that is meant, and say what is to be said of it. Raises ConfigError."""
    path = Path(words.subject)
    defaults = around.file.defaults.scalars
    if path.exists() and not path.is_dir():
        ignore = words.switches.ignore_extra_keys
        reading = read_file(path, dialect, defaults, ignore_extra_keys=ignore)
    elif "=" not in words.subject and ("/" in words.subject or words.subject.endswith(".cfg")):
        raise ConfigError(
            f"there is no file {words.subject}",
            advice="If it should select VMs, write it as vm-export=SELECTOR.",
        )
    else:
        reading = read_selector(words.subject, dialect, replace(defaults, status_log=None))
    if reading.everything and not all_vms:
        raise ConfigError(
            "\n".join(
                f"{reading.place(rule.number)}: {rule.kind}= names nothing, and so takes all VMs"
                for rule in reading.everything
            ),
            advice="Was a name forgotten? If all VMs are meant: --all-vms.",
        )
    tell(reading, (*reading.notes, *switch_notes(words.switches)))
    return reading


def switch_notes(switches: Switches) -> Iterable[Note]:
    """Yield what is not as it was with the switches of the old line."""
    if switches.pre_clean:
        yield Note(0, "pre_clean is not followed: an old copy goes only when the new one is proven")
    if switches.compress:
        yield Note(0, "compress: by gzip on this machine, so that dom0 need not, and the OS disks as well")


def tell(reading: Reading, notes: Iterable[Note]) -> None:
    """Print notes on standard error, each with its place."""
    for note in notes:
        sys.stderr.write(f"vmbackup: {one_line(f'{reading.place(note.number)}: {note.text}')}\n")
