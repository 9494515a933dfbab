"""`/etc/vmbackup/nau.toml`: what NAU VMbackup needed not to be told inside the pool, or was told in its source."""

import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from pydantic import Field, ValidationError

from vmbackup.config import Label, PoolSection, Section
from vmbackup.config_file import problems_of, read_tree, refuse
from vmbackup.errors import ConfigError
from vmbackup.nau.reading import Scalars
from vmbackup.settings import Settings
from vmbackup.state import default_folder
from vmbackup.xapi.trust import Address, normal_fingerprint

PATH: Final = Path("/etc/vmbackup/nau.toml")
USER: Final = "root"


class Defaults(Settings):
    """What the old script had in its source for a configuration that does not say it."""

    pool_db_backup: bool = False
    max_backups: int = Field(default=4, ge=1, strict=True)
    backup_dir: Path = Path("/snapshots/BACKUPS")
    status_log: Path | None = None
    vdi_export_format: Literal["raw", "vhd"] = "raw"

    @property
    def scalars(self) -> Scalars:
        """The same as a configuration has them."""
        return Scalars(**self.model_dump())


class NauFile(Settings):
    """The whole file; `pool` is as in a configuration of ours, and needs no user and no password.

    `target` has further keys of the folder as a target; its type, id and path are not among them.
    """

    pool: Section = Field(default_factory=dict)
    state: str | None = None
    target: Section = Field(default_factory=dict)
    defaults: Defaults = Field(default_factory=Defaults)
    notifiers: dict[Label, Section] = Field(default_factory=dict)
    reporters: dict[Label, Section] = Field(default_factory=dict)

    @property
    def more(self) -> Mapping[str, Section]:
        """What comes into a configuration of ours besides the old one."""
        return {"target": self.target, "notifiers": dict(self.notifiers), "reporters": dict(self.reporters)}


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The file as it is read, its text, whether others may read it, and what the command line says besides."""

    file: NauFile
    path: Path = PATH
    text: str = ""
    shared: bool = False
    url: str | None = None
    fingerprint: str | None = None

    def state(self, given: Path | None) -> Path:
        """Return the state folder: the given one, that of the file, or the usual one."""
        configured = Path(self.file.state) if self.file.state else default_folder()
        return (given or configured).absolute()

    def pool(self, password: object) -> Section:
        """Return the section of the pool, with this password. Raises ConfigError where nobody said which pool."""
        own = dict(self.file.pool)
        if self.url is not None and self.url != own.get("url"):
            own.pop("tls", None)
        own |= {"url": self.url} if self.url is not None else {}
        own |= {"tls": {"fingerprint": self.fingerprint}} if self.fingerprint is not None else {}
        if "url" not in own:
            raise ConfigError(
                "which pool? NAU VMbackup ran inside it, and had not to be told",
                advice=f'Give --pool https://HOST --fingerprint sha256:…, or write into {PATH}:\n[pool]\nurl = "https://HOST"',
            )
        return {"username": USER, **own, "password": password}


def surroundings(path: Path | None, url: str | None, fingerprint: str | None) -> Surroundings:
    """Read the file, if it is there or named, and the options. Raises ConfigError."""
    if url is not None:
        Address.parse(url)
    try:
        normal = f"sha256:{normal_fingerprint(fingerprint)}" if fingerprint is not None else None
    except ValueError as error:
        raise ConfigError(f"--fingerprint: {error}") from None
    if path is None and not PATH.exists():
        return Surroundings(NauFile(), url=url, fingerprint=normal)
    path = path or PATH
    text, status, tree = read_tree(path)
    shared = bool(status.st_mode & (stat.S_IRGRP | stat.S_IROTH))
    return Surroundings(_checked(path, text, tree), path, text, shared, url, normal)


def _checked(path: Path, text: str, tree: Section) -> NauFile:
    try:
        file = NauFile.model_validate(tree)
    except ValidationError as error:
        refuse(path, text, problems_of(error, NauFile))
        raise
    try:
        if file.pool:
            PoolSection.model_validate({"username": USER, "password": "", **file.pool})
    except ValidationError as error:
        refuse(path, text, problems_of(error, PoolSection, ("pool",)))
        raise
    return file
