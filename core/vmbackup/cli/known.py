"""The backups on the targets of a configuration; a target that is away costs nobody the backups on the others."""

import sys
from dataclasses import dataclass

from vmbackup.cli.choice import chosen
from vmbackup.errors import TargetError, TargetNotProven, VmbackupError
from vmbackup.metadata import one_line
from vmbackup.repository import Broken
from vmbackup.results import Backup
from vmbackup.site import Site


@dataclass(frozen=True, slots=True)
class Known:
    """What there is, oldest first; folders that cannot be believed, targets that could not be read, others' backups."""

    backups: list[Backup]
    broken: list[tuple[str, Broken]]
    away: list[tuple[str, VmbackupError]]
    foreign: list[tuple[str, Broken]]

    def choose(self, text: str) -> Backup:
        """Return the backup that `text` names, and warn of targets that might hold a newer one.

        Raises ConfigError for none or several, and what is wrong with the first target if none could be read.
        """
        if self.away and not (self.backups or self.broken):
            raise self.away[0][1]
        for label, error in self.away:
            sys.stderr.write(f"vmbackup: warning: {label} is left out: {one_line(error.message)}\n")
        return chosen(text, self.backups)


def known(site: Site, targets: list[str] | None) -> Known:
    """Look at these targets, or at all; one that is named and cannot be read raises TargetError or TargetNotProven."""
    found = Known([], [], [], [])
    for label in targets or sorted(site.config.targets):
        try:
            _look(site, label, found)
        except (TargetError, TargetNotProven) as error:
            if targets:
                raise
            found.away.append((label, error))
    found.backups.sort(key=lambda backup: (backup.manifest.snapshot_time, backup.folder))
    return found


def _look(site: Site, label: str, found: Known) -> None:
    repository = site.repository(label)
    with repository.target:
        repository.prove()
        for thing in repository.scan():
            if isinstance(thing, Backup):
                found.backups.append(thing)
            elif isinstance(thing, Broken):
                (found.foreign if thing.foreign else found.broken).append((label, thing))
