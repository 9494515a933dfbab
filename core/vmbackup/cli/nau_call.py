"""One call of NAU VMbackup's command line, carried out: its folder made known, a preview, a run."""

import sys
from dataclasses import dataclass
from pathlib import Path

from vmbackup.cli.logs import Wish
from vmbackup.cli.nau_reading import tell
from vmbackup.cli.output import console, name, sole_output
from vmbackup.cli.preview import preview_job
from vmbackup.cli.run import looking_on, summary
from vmbackup.cli.signals import interruptible
from vmbackup.config import Section
from vmbackup.config_file import ConfigFile
from vmbackup.errors import TargetNotProven, Untrusted
from vmbackup.nau.conversion import TARGET, config_of, convert
from vmbackup.nau.folder import remembered, set_up
from vmbackup.nau.password import Password
from vmbackup.nau.reading import Reading
from vmbackup.nau.resolving import idle, remarks
from vmbackup.nau.site_file import PATH, Surroundings
from vmbackup.nau.words import Words
from vmbackup.plan import Plan
from vmbackup.registry import Registry
from vmbackup.results import WARNED, exit_code
from vmbackup.run import run_job
from vmbackup.site import Site
from vmbackup.state import State
from vmbackup.watch import Nobody, Several

TRUST = f'if it is right: --fingerprint sha256:…, or in [pool] of {PATH}: tls = {{ fingerprint = "sha256:…" }}'


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
        nowhere: Section = {"url": "https://localhost", "username": "", "password": ""}
        found = set_up(self._site(nowhere).repository(TARGET), path, self.state)
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
            plan, code = preview_job(site, job, Path(self.reading.path), as_json)
        except Untrusted as error:
            raise Untrusted(error.message, advice=f"Compare it with the host's own; {TRUST}") from error
        tell(self.reading, remarks(self.reading, [covered.vm for covered in plan.inventory]))
        return code

    def run(self, as_json: bool, strict: bool) -> int:
        """Do it."""
        out = sole_output() if as_json else None
        site, job = self._ready()
        remarking = Remarking(self.reading)
        wish = Wish(site.config.log.format, quiet=False)
        with interruptible(self.state), looking_on(site, wish, out, strict=strict) as watcher:
            report = run_job(site, job, Several((remarking, watcher)))
        if not as_json:
            summary(report, console())
        codes = {failure.code for failure in report.failures}
        if Untrusted.__name__ in codes:
            sys.stderr.write(f"vmbackup: here it is not `vmbackup trust` that does it; {TRUST}\n")
        if TargetNotProven.__name__ in codes:
            sys.stderr.write(f"vmbackup: a folder is made known by: {self.again}\n")
        return exit_code(report, strict=strict) or (WARNED if remarking.idle else 0)

    def _ready(self) -> tuple[Site, str]:
        """Return the site and the job's name, once the folder is known. Raises TargetNotProven where it is not."""
        path = self.reading.scalars.backup_dir
        site = self._site(self.around.pool(self.password.text))
        if not remembered(self.state, path):
            raise TargetNotProven(
                f"{path} is not known here yet, and a folder is there even when its disk or share is not",
                advice=f"See that the right one is mounted. Then, once: {self.again}",
            )
        (job,) = site.config.jobs
        return site, job

    def _site(self, pool: Section) -> Site:
        converted = convert(
            self.reading,
            compress=self.words.switches.compress,
            identity=remembered(self.state, self.reading.scalars.backup_dir),
            more=self.around.file.more,
        )
        # What else can be wrong with it stands in the file beside the old one.
        file = ConfigFile(self.around.path, self.around.text, config_of(converted, pool), shared=self.around.shared)
        return Site(file, Registry.installed(), self.state.folder)


class Remarking(Nobody):
    """Says what can be told of the old lines once the pool's names are known."""

    def __init__(self, reading: Reading) -> None:
        """`reading` is of the old file."""
        self._reading = reading
        self.idle = False

    def planned(self, plan: Plan) -> None:
        """Say it, and keep whether a line fits no VM."""
        names = [covered.vm for covered in plan.inventory]
        self.idle = bool(idle(self._reading, names))
        tell(self._reading, remarks(self._reading, names))


def _show_settings(reading: Reading) -> None:
    """Print how the file is read, as a preview did of old."""
    scalars = reading.scalars
    console().print(
        f"{name(reading.path)}, as NAU VMbackup {reading.dialect} reads it: max_backups={scalars.max_backups}"
        f" backup_dir={name(str(scalars.backup_dir))} status_log={name(str(scalars.status_log or 'none'))}"
        f" vdi_export_format={scalars.vdi_export_format} pool_db_backup={int(scalars.pool_db_backup)}",
        soft_wrap=True,
    )
