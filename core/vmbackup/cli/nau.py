"""`vmbackup nau`: the command line of NAU VMbackup, as it stands in a crontab."""

import shlex
import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from vmbackup.cli.output import console, name, sole_output
from vmbackup.cli.preview import preview_job
from vmbackup.cli.run import summary
from vmbackup.cli.signals import interruptible
from vmbackup.cli.watchers import JsonLines, watcher_for_people
from vmbackup.config_file import ConfigFile
from vmbackup.errors import ConfigError, TargetNotProven, Untrusted
from vmbackup.metadata import one_line
from vmbackup.nau.conversion import TARGET, config_of, convert
from vmbackup.nau.folder import remembered, set_up
from vmbackup.nau.lines import Note
from vmbackup.nau.password import Password, overwrite_argument, read_password, write_password
from vmbackup.nau.reader import read_file, read_selector
from vmbackup.nau.reading import Dialect, Reading
from vmbackup.nau.resolving import remarks
from vmbackup.nau.site_file import PATH, Surroundings, surroundings
from vmbackup.nau.texts import EXAMPLE, HELP, KEYS
from vmbackup.nau.words import Switches, Words, parse
from vmbackup.plan import Plan
from vmbackup.registry import Registry
from vmbackup.results import exit_code
from vmbackup.run import run_job
from vmbackup.site import Site
from vmbackup.state import State, default_folder
from vmbackup.watch import Watcher

TRUST = f'if it is right: --fingerprint sha256:…, or in [pool] of {PATH}: tls = {{ fingerprint = "sha256:…" }}'
TEXTS = {"help": HELP, "config": KEYS, "example": EXAMPLE}

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


def nau(
    words: Annotated[
        list[str] | None, typer.Argument(metavar="PASSWORD-FILE CONFIG [WORD]…", help="As ever; `help` says more.")
    ] = None,
    pool: PoolOption = None,
    fingerprint: FingerprintOption = None,
    settings: SettingsOption = None,
    dialect: DialectOption = None,
    all_vms: AllVmsOption = False,
    state: Annotated[Path | None, typer.Option("--state", metavar="DIR", help="The state folder.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 5 if there were warnings.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
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
    folder = state or (Path(around.file.state) if around.file.state else default_folder())
    call = Call(line, password, around, reading, State(folder.absolute()), _again(line, password, settings, state))
    if line.switches.init:
        return call.init()
    return call.preview(as_json) if line.switches.preview else call.run(as_json, strict)


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the old command line, all of it read; `again` is the line that sets its folder up."""

    words: Words
    password: Password
    around: Surroundings
    reading: Reading
    state: State
    again: str

    def init(self) -> int:
        """Make the folder known."""
        path = self.reading.scalars.backup_dir
        # No pool is asked, and so none need be known.
        found = set_up(self._site({"url": "https://localhost"}).repository(TARGET), path, self.state)
        out = console()
        done = "was set up before, and is known here now" if found.before else "is set up"
        old = f"; the old backups of {found.vms} VMs in it stay as they are" if found.vms else ""
        out.print(f"{name(str(path))} {done}{old}. Its id is {found.identity}.", soft_wrap=True)
        if found.on_root:
            out.print("It lies on the file system of /. If a disk or share should be mounted there, it is not.")
        return 0

    def preview(self, as_json: bool) -> int:
        """Show what would be done."""
        site, job = self._ready()
        if not as_json:
            _show_settings(self.reading)
        try:
            plan, code = preview_job(site, job, as_json)
        except Untrusted as error:
            raise Untrusted(error.message, advice=f"Compare it with the host's own; {TRUST}") from error
        tell(self.reading, remarks(self.reading, [covered.vm for covered in plan.inventory]))
        return code

    def run(self, as_json: bool, strict: bool) -> int:
        """Do it."""
        watcher = JsonLines(sole_output()) if as_json else watcher_for_people()
        site, job = self._ready()
        with interruptible(self.state):
            report = run_job(site, job, Remarking(watcher, self.reading))
        if not as_json:
            summary(report, console())
        codes = {failure.code for failure in report.failures}
        if Untrusted.__name__ in codes:
            sys.stderr.write(f"vmbackup: here it is not `vmbackup trust` that does it; {TRUST}\n")
        if TargetNotProven.__name__ in codes:
            sys.stderr.write(f"vmbackup: a folder is made known by: {self.again}\n")
        return exit_code(report, strict=strict)

    def _ready(self) -> tuple[Site, str]:
        """Return the site and the job's name, once the folder is known. Raises TargetNotProven where it is not."""
        path = self.reading.scalars.backup_dir
        site = self._site({})
        if not remembered(self.state, path):
            raise TargetNotProven(
                f"{path} is not known here yet, and a folder is there even when its disk or share is not",
                advice=f"See that the right one is mounted. Then, once: {self.again}",
            )
        (job,) = site.config.jobs
        return site, job

    def _site(self, pool: dict[str, object]) -> Site:
        converted = convert(
            self.reading,
            compress=self.words.switches.compress,
            identity=remembered(self.state, self.reading.scalars.backup_dir),
            more=self.around.file.more,
        )
        section = self.around.pool(self.password.text) if not pool else {"username": "", "password": "", **pool}
        config = config_of(converted, section)
        file = ConfigFile(Path(self.reading.path), "", config, shared=self.around.shared)
        return Site(file, Registry.installed(), self.state.folder)


class Remarking:
    """A watcher that says first what can be told of the old lines once the pool's names are known."""

    def __init__(self, watcher: Watcher, reading: Reading) -> None:
        """`watcher` is told everything."""
        self._watcher = watcher
        self._reading = reading
        self.step = watcher.step
        self.sent = watcher.sent
        self.vm_done = watcher.vm_done
        self.warned = watcher.warned
        self.finished = watcher.finished

    def planned(self, plan: Plan) -> None:
        """Say it, and go on."""
        tell(self._reading, remarks(self._reading, [covered.vm for covered in plan.inventory]))
        self._watcher.planned(plan)


def tell(reading: Reading, notes: Iterable[Note]) -> None:
    """Print notes on standard error, each with its place."""
    for note in notes:
        sys.stderr.write(f"vmbackup: {one_line(f'{reading.place(note.number)}: {note.text}')}\n")


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


def _show_settings(reading: Reading) -> None:
    """Print how the file is read, as a preview did of old."""
    scalars = reading.scalars
    console().print(
        f"{name(reading.path)}, as NAU VMbackup {reading.dialect} reads it: max_backups={scalars.max_backups}"
        f" backup_dir={name(str(scalars.backup_dir))} status_log={name(str(scalars.status_log or 'none'))}"
        f" vdi_export_format={scalars.vdi_export_format} pool_db_backup={int(scalars.pool_db_backup)}",
        soft_wrap=True,
    )


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
