"""An old configuration as a configuration of ours: the same tree for a run of the old file and for a file of ours."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from vmbackup.config import Config, Section
from vmbackup.config_file import problems_of, refuse
from vmbackup.keys import slug
from vmbackup.nau.entries import Entry, Exclusion, entries_of, excludes_of
from vmbackup.nau.reading import Reading

TARGET: Final = "backups"
STATUS: Final = "status"
LONGEST: Final = 64


@dataclass(frozen=True, slots=True)
class Converted:
    """What an old configuration comes to: our job, and the settings of the plugins that it names."""

    reading: Reading
    job_name: str
    entries: tuple[Entry, ...]
    excludes: tuple[Exclusion, ...]
    compress: bool = False
    identity: str = ""
    state: str | None = None
    more: Mapping[str, Section] = field(default_factory=dict)

    @property
    def target(self) -> Section:
        """The folder of the old backups as a target."""
        identity = {"id": self.identity} if self.identity else {}
        fixed = {"type": "local", **identity, "path": str(self.reading.scalars.backup_dir)}
        return {**self.more.get("target", {}), **fixed}

    @property
    def methods(self) -> Section:
        """The methods that are not as they are by themselves."""
        wanted = self.reading.scalars.vdi_export_format
        return {} if wanted == "raw" else {"vdi-export": {"format": wanted}}

    @property
    def reporters(self) -> Section:
        """The status log, where one is wanted, and what else is to be told."""
        path = self.reading.scalars.status_log
        status = {STATUS: {"type": "status-log", "path": str(path)}} if path else {}
        return {**status, **self.more.get("reporters", {})}

    @property
    def job(self) -> Section:
        """The job."""
        scalars = self.reading.scalars
        notifiers = self.more.get("notifiers", {})
        return {
            "targets": [TARGET],
            "keep": {"last": scalars.max_backups},
            **({"pool-database": True} if scalars.pool_db_backup else {}),
            **({"compress": {"with": "gzip"}} if self.compress else {}),
            **({"report": list(self.reporters)} if self.reporters else {}),
            **({"notify": list(notifiers)} if notifiers else {}),
            "vms": [_taken(entry, scalars.max_backups) for entry in self.entries],
            **({"exclude": [{"match": entry.match} for entry in self.excludes]} if self.excludes else {}),
        }

    def tree(self, pool: Section) -> Section:
        """Return the whole configuration."""
        sections = {"methods": self.methods, "notifiers": self.more.get("notifiers", {}), "reporters": self.reporters}
        return {
            **({"state": self.state} if self.state else {}),
            "pool": pool,
            "targets": {TARGET: self.target},
            **{name: section for name, section in sections.items() if section},
            "jobs": {self.job_name: self.job},
        }


def convert(
    reading: Reading,
    *,
    compress: bool = False,
    identity: str = "",
    state: str | None = None,
    more: Mapping[str, Section] | None = None,
) -> Converted:
    """Translate what was read. Raises ConfigError.

    `more` has what the old configuration could not say: `target`, `notifiers` and `reporters`.
    """
    return Converted(
        reading=reading,
        job_name=job_name(reading),
        entries=entries_of(reading),
        excludes=excludes_of(reading),
        compress=compress,
        identity=identity,
        state=state,
        more=more or {},
    )


def job_name(reading: Reading) -> str:
    """Return what the job is called: as its file is."""
    return slug(Path(reading.path).stem)[:LONGEST].strip("-")


def config_of(converted: Converted, pool: Section) -> Config:
    """Return the configuration of ours. Raises ConfigError where it is none."""
    try:
        return Config.model_validate(converted.tree(pool))
    except ValidationError as error:
        refuse(Path(converted.reading.path), "", problems_of(error, Config))
        raise


def _taken(entry: Entry, max_backups: int) -> Section:
    rule = entry.of
    method = {"method": rule.kind} if rule.kind == "vdi-export" else {}
    keep = {"keep": {"last": rule.keep}} if rule.keep not in {None, max_backups} else {}
    return {"match": entry.match, **method, **keep}
