"""The configuration: TOML, typed for the core's part; sections of plugins stay raw until the registry reads them."""

import os
import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from vmbackup.errors import ConfigError
from vmbackup.headroom import Margin
from vmbackup.life_sign import LifeSign
from vmbackup.moments import FACTS, Moment, placeholders
from vmbackup.results import Result
from vmbackup.selection import Pattern
from vmbackup.settings import Secret, Settings
from vmbackup.xapi.trust import Address, Trust, normal_fingerprint

Section = dict[str, object]
LABEL = r"^[A-Za-z0-9]([A-Za-z0-9._-]{0,62}[A-Za-z0-9_-])?$"
Label = Annotated[str, Field(pattern=LABEL)]


class Tls(Settings):
    """How the pool's certificate is trusted."""

    fingerprint: str | None = Field(default=None, description="its SHA-256, as `vmbackup trust` shows it")
    ca: str | None = Field(default=None, description="a file of CA certificates")
    hosts: dict[str, str] = Field(default_factory=dict, description="fingerprints of other members, by address")

    @field_validator("fingerprint")
    @classmethod
    def _normal(cls, value: str | None) -> str | None:
        return normal_fingerprint(value) if value is not None else None

    @field_validator("hosts")
    @classmethod
    def _all_normal(cls, value: dict[str, str]) -> dict[str, str]:
        return {host: normal_fingerprint(fingerprint) for host, fingerprint in value.items()}

    @property
    def trust(self) -> Trust:
        """What this means for connections."""
        return Trust(self.fingerprint, Path(self.ca).absolute() if self.ca else None, tuple(self.hosts.items()))

    @model_validator(mode="after")
    def _one(self) -> "Tls":
        if (self.fingerprint is None) == (self.ca is None):
            raise ValueError("give either a fingerprint or a ca")
        return self


def _share_or_bytes(value: object) -> object:
    """Read `5%` as a share of 1 and `20GiB` as bytes; anything else is left for pydantic to refuse."""
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*(%|[KMGT]iB)", value.strip())
    if not match or (match[2] == "%" and not 0 <= float(match[1]) < HUNDRED):
        raise ValueError("write a share of the SR as 5%, or a size as 20GiB")
    return float(match[1]) / HUNDRED if match[2] == "%" else float(match[1]) * SIZES[match[2]]


HUNDRED = 100
SIZES = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
# What `_share_or_bytes` takes, for editors.
Share = Annotated[str, Field(pattern=r"^\s*[0-9]+(\.[0-9]+)?\s*(%|[KMGT]iB)\s*$")] | Annotated[float, Field(ge=0)]


class Snapshots(Settings):
    """When the pool's storage is spared one more snapshot."""

    max_chain: int = Field(default=28, ge=2, le=30, description="a disk whose chain has so many images gets none")
    keep_free: Annotated[float, BeforeValidator(_share_or_bytes, json_schema_input_type=Share), Field(ge=0)] = Field(
        default=0.02, description="what stays free on the SR: a share such as 5%, or a size such as 20GiB"
    )

    @property
    def margin(self) -> Margin:
        """What this means for an SR."""
        return Margin(self.max_chain, self.keep_free)


class PoolSection(Settings):
    """Where the pool is and how to log in."""

    url: str = Field(description="https://host of the coordinator")
    username: str
    password: Secret
    tls: Tls | None = None
    snapshots: Snapshots = Field(default_factory=Snapshots, description="when the storage is spared one more snapshot")

    @field_validator("url")
    @classmethod
    def _is_address(cls, value: str) -> str:
        if "@" in value:
            raise ValueError("a URL without username and password, which have keys of their own")
        try:
            Address.parse(value)
        except ConfigError as error:
            raise ValueError(str(error)) from None
        return value


def _seconds(value: object) -> object:
    """Read a duration such as `90m` or `1h 30m`; anything else is left for pydantic to refuse."""
    if not isinstance(value, str):
        return value
    parts = re.findall(r"([0-9]+)\s*([smhd])", value)
    if not parts or re.sub(r"([0-9]+)\s*([smhd])|\s", "", value):
        raise ValueError("write a duration as 90m, 6h or 1h 30m")
    return sum(int(number) * UNITS[unit] for number, unit in parts)


UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
# What `_seconds` takes, for editors.
Written = Annotated[str, Field(pattern=r"^\s*([0-9]+\s*[smhd]\s*)+$")] | Annotated[float, Field(gt=0)]
Duration = Annotated[float, BeforeValidator(_seconds, json_schema_input_type=Written), Field(gt=0)]


class Keep(Settings):
    """How many proven backups of a VM a job keeps."""

    last: int = Field(ge=1, strict=True, description="the newest so many")


class Compress(Settings):
    """Whether and where images are compressed; further keys are the compressor's own settings."""

    model_config = ConfigDict(extra="allow")

    with_: str = Field(alias="with", description="the compressor's name")
    when: Literal["during", "after", "host"] = Field(
        default="during", description="by us in the stream, by a worker afterwards, or by the pool's host"
    )
    worker: bool = Field(
        default=False, description="whether the run starts the worker itself, and does not wait for it"
    )

    @property
    def section(self) -> Section:
        """The compressor's own settings."""
        return dict(self.model_extra or {})


class Selector(Settings):
    """Which VMs: a name, a glob, `/regex/`, `name:…`, `tag:…` or `uuid:…`."""

    match: str = Field(min_length=1)

    @field_validator("match")
    @classmethod
    def _is_pattern(cls, value: str) -> str:
        if problem := Pattern(value).problem():
            raise ValueError(problem)
        return value


class Selected(Selector):
    """Which VMs a job takes, and what of the job's own rules is different for them."""

    method: Label | None = None
    keep: Keep | None = None
    max_duration: Duration | None = Field(default=None, description="a VM that takes longer is given up")


def _life_sign(value: str) -> str:
    try:
        LifeSign.parse(value)
    except ConfigError as error:
        raise ValueError(f"{error.message}: write agent, port:22, or a time such as 90s") from None
    return value


def _whether(value: object) -> object:
    return {"keep": None} if value is True else None if value is False else value


class PoolDatabase(Settings):
    """That the pool's database is dumped, and how many dumps are kept; as many as backups where nothing is said."""

    keep: Keep | None = None


class TargetRules(Settings):
    """What of a target's section is the core's own business."""

    id: str = Field(default="", description="what `vmbackup target init` has printed")
    backup_layout: Literal["own", "nau", "xo"] = Field(
        default="own",
        description='"nau": backups get the folders and names of NAU VMbackup, too; "xo": Xen Orchestra\'s, only read',
    )


class MirrorRules(Settings):
    """What of a mirror's section is the core's own business."""

    keep: Keep | None = Field(default=None, description="how many backups of each VM the mirror keeps; else all")
    delete: bool = Field(default=False, description="whether what is gone from the targets goes from the mirror, too")
    wait: bool = Field(default=True, description="whether what is to be compressed later is copied only then")


def _pattern(value: str) -> str:
    return Selector(match=value).match


VMPattern = Annotated[str, AfterValidator(_pattern)]


class NotifierRules(Settings):
    """What of a notifier's section is the core's own business: which runs are told."""

    when: Literal["always", "problem", "change", "failure"] = Field(
        default="always", description="every run, or only those with warnings, with another result, or that failed"
    )
    jobs: tuple[Label, ...] = Field(default=(), description="only runs of these jobs")
    vms: tuple[VMPattern, ...] = Field(default=(), description="only runs with these VMs, judged by them alone")
    results: tuple[Result, ...] = Field(default=(), description="only runs with one of these results")


class Rehearse(Settings):
    """How `vmbackup rehearse --job` rehearses the restore of this job's backups."""

    sr: str | None = Field(default=None, description="the SR for the disks, by name or UUID; else the pool's default")
    network: str | None = Field(
        default=None, description="a network for the rehearsed VMs; else each has one that is connected to nothing"
    )
    wait: Annotated[str, AfterValidator(_life_sign)] = Field(
        default="agent", description="the sign of life: agent, port:22, or a time such as 90s"
    )
    within: Duration = Field(default=600.0, description="how long the sign of life may take")
    a_week: int | None = Field(
        default=None, ge=1, description="how many rehearsals in seven days; all VMs where not said"
    )


class Job(Settings):
    """Which VMs, how, to which targets, kept how long, compressed, told to whom."""

    targets: tuple[Label, ...] = Field(min_length=1)
    mirrors: tuple[Label, ...] = ()
    keep: Keep
    method: Label = "vm-export"
    compress: Compress | None = None
    notify: tuple[Label, ...] = ()
    report: tuple[Label, ...] = ()
    max_duration: Duration | None = Field(default=None, description="the whole run is given up then")
    retries: int = Field(default=0, ge=0, le=10, description="how often a VM is tried again after what may pass")
    retry_wait: Duration = Field(default=30.0, description="the pause before the first retry; it doubles")
    stall: Duration = Field(default=600.0, description="a transfer or target that stands still for so long is given up")
    pool_database: Annotated[
        PoolDatabase | None, BeforeValidator(_whether, json_schema_input_type=PoolDatabase | bool)
    ] = None
    rehearse: Rehearse | None = None
    vms: tuple[Selected, ...] = Field(min_length=1)
    exclude: tuple[Selector, ...] = ()

    @field_validator("targets")
    @classmethod
    def _each_once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) < len(value):
            raise ValueError("name each target once")
        return value


def _absolute(path: Path) -> Path:
    if not path.is_absolute():
        raise ValueError("give an absolute path: vmbackup may be started anywhere")
    if path != Path(os.path.normpath(path)):
        raise ValueError("give a path without ..")
    return path


class PluginsSection(Settings):
    """Which of the installed plugins are not wanted, where more are, and how long those that listen may take."""

    disabled: tuple[str, ...] = Field(
        default=(), description="plugins that are not loaded: their name, kind:name, or the name of their distribution"
    )
    paths: tuple[Annotated[Path, AfterValidator(_absolute)], ...] = Field(
        default=(), description="folders in which each Python file is a plugin; nobody else may write there"
    )
    timeout: Duration = Field(
        default=300.0, description="how long a listener, reporter or notifier may take for one call"
    )


class LogSection(Settings):
    """How a run that nobody looks at is told of."""

    format: Literal["auto", "text", "json", "journal"] = Field(
        default="auto", description="how log lines look: for people, as JSON, or as entries of systemd's journal"
    )


class Hook(Settings):
    """A command of the site's own at a moment of a run."""

    on: Moment
    run: tuple[str, ...] = Field(min_length=1, description="a program and its arguments, with {facts}; no shell")
    timeout: Duration = Field(default=60.0, description="a command that takes longer is killed")
    jobs: tuple[Label, ...] = Field(default=(), description="only in runs of these jobs")
    vms: tuple[VMPattern, ...] = Field(default=(), description="only for these VMs")
    targets: tuple[Label, ...] = Field(default=(), description="only for backups on these targets")

    @field_validator("run")
    @classmethod
    def _knows_its_facts(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if "on" in info.data:
            known = FACTS[info.data["on"]]
            for name in sorted(placeholders(value) - set(known)):
                raise ValueError(f"{info.data['on']} knows no {{{name}}}; it knows {', '.join(known)}")
        return value

    @field_validator("vms", "targets")
    @classmethod
    def _is_about_them(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        about = "uuid" if info.field_name == "vms" else "target"
        if value and "on" in info.data and about not in FACTS[info.data["on"]]:
            raise ValueError(f"{info.data['on']} is not about one of them")
        return value


class Config(Settings):
    """The whole file. The sections of plugins are named by their labels; `type` says which plugin each is."""

    pool: PoolSection
    plugins: PluginsSection = Field(
        default_factory=PluginsSection, description="which installed plugins are not wanted, and where more are"
    )
    state: str | None = Field(default=None, description="the state folder, where the usual one will not do")
    log: LogSection = Field(default_factory=LogSection, description="how a run that nobody looks at is told of")
    targets: dict[Label, Section] = Field(default_factory=dict)
    mirrors: dict[Label, Section] = Field(default_factory=dict)
    methods: dict[Label, Section] = Field(default_factory=dict)
    notifiers: dict[Label, Section] = Field(default_factory=dict)
    reporters: dict[Label, Section] = Field(default_factory=dict)
    hooks: tuple[Hook, ...] = ()
    jobs: dict[Label, Job] = Field(default_factory=dict)
