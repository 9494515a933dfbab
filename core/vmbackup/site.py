"""One configuration with the plugins that it names: everything that a command needs, made and checked in one go."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from vmbackup.bench import Packing
from vmbackup.config import Config, Job, MirrorRules, NotifierRules, Section, TargetRules
from vmbackup.config_file import ConfigFile, ConfigProblem, problems_of, secret_shown
from vmbackup.contracts import Method, Mirror, Notifier, Plugin, Reporter, Target
from vmbackup.errors import ConfigError
from vmbackup.manifest import Later
from vmbackup.orchestra import OrchestraRepository
from vmbackup.registry import Registry, SectionError
from vmbackup.repository import Repository
from vmbackup.settings import Settings, holds_secret
from vmbackup.state import State, default_folder
from vmbackup.xapi.session import Session
from vmbackup.xapi.trust import Address, Trust

T = TypeVar("T")
R = TypeVar("R", bound=Settings)


@dataclass(frozen=True, slots=True)
class JobParts:
    """A job with the plugins that it names."""

    name: str
    job: Job
    methods: dict[str, Method[Settings]]
    repositories: tuple[Repository, ...]
    packing: Packing
    mirrors: tuple[tuple[Mirror[Settings], MirrorRules], ...]
    reporters: tuple[Reporter[Settings], ...]
    notifiers: tuple[tuple[Notifier[Settings], NotifierRules], ...]


class Site:
    """A configuration file and the plugins of this environment."""

    def __init__(self, file: ConfigFile, registry: Registry, state: Path | None = None) -> None:
        """`state` overrides the state folder of the configuration and of the environment."""
        self.file = file
        self.registry = registry
        configured = state or (Path(file.config.state) if file.config.state else None)
        # At once, for the working directory may be another one later.
        self.path = file.path.absolute()
        self._state = configured.absolute() if configured else None

    @property
    def config(self) -> Config:
        """What the file says."""
        return self.file.config

    @property
    def stored_to(self) -> frozenset[str]:
        """The targets, by their labels, that any job stores to."""
        return frozenset(label for job in self.config.jobs.values() for label in job.targets)

    def state(self) -> State:
        """Return the state folder, made if need be."""
        return State(self._state or default_folder())

    def session(self, originator: str) -> Session:
        """Return a session with the pool, not yet logged in."""
        pool = self.config.pool
        address, trust = Address.parse(pool.url), pool.tls.trust if pool.tls else Trust()
        members = self.state().members(address.host)
        return Session(address, trust, pool.username, pool.password.reveal(), originator=originator, members=members)

    def repository(self, label: str) -> Repository:
        """Return the repository on the target of that label, whose target is not yet entered."""
        section = self.config.targets.get(label)
        if section is None:
            self.file.refuse([ConfigProblem(("targets",), _unknown("target", label, self.config.targets))])
        try:
            return self._repository(label)
        except SectionError as error:
            self.file.refuse(error.problems)
            raise

    def _keep_secrets(self, plugin: Plugin[Settings]) -> None:
        """Refuse a file that others may read if it holds a secret of this plugin's."""
        if self.file.shared and holds_secret(plugin.settings):
            raise secret_shown(self.file.path)

    def job(self, name: str) -> JobParts:
        """Return a job with its plugins. Raises ConfigError with every problem at once."""
        if name not in self.config.jobs:
            raise ConfigError(f"{self.file.path}: {_unknown('job', name, self.config.jobs)}")
        job, config, registry = self.config.jobs[name], self.config, self.registry
        collect = _Collector(("jobs", name))
        labels = sorted({job.method, *(entry.method for entry in job.vms if entry.method)})
        methods = {
            label: collect.make(partial(registry.method, label, config.methods.get(label, {}))) for label in labels
        }
        repositories = collect.each(
            "targets", "target", job.targets, config.targets, lambda label, _: self._repository(label)
        )
        mirrors = collect.each("mirrors", "mirror", job.mirrors, config.mirrors, lambda label, _: self._mirror(label))
        packing = collect.make(partial(self._packing, name, job))
        collect.problems += _out_of_place(name, job, repositories)
        reporters = collect.each("report", "reporter", job.report, config.reporters, registry.reporter)
        notifiers = collect.each("notify", "notifier", job.notify, config.notifiers, self._notifier)
        collect.problems += _unknown_in_hooks(config)
        self.file.refuse(collect.problems)
        ruled = (plugin for plugin, _ in (*mirrors, *notifiers))
        for plugin in (*filter(None, methods.values()), *reporters, *ruled):
            self._keep_secrets(plugin)
        return JobParts(
            name=name,
            job=job,
            methods={label: method for label, method in methods.items() if method},
            repositories=tuple(repositories),
            packing=packing or Packing(),
            mirrors=tuple(mirrors),
            reporters=tuple(reporters),
            notifiers=tuple(notifiers),
        )

    def _repository(self, label: str) -> Repository:
        rules, section = _split(TargetRules, self.config.targets[label], ("targets", label))
        target = self.registry.target(label, section)
        self._keep_secrets(target)
        if rules.backup_layout == "xo":
            return OrchestraRepository(target)
        if rules.backup_layout == "nau" and not target.any_name:
            problem = (
                'a target of this type takes keys alone; "nau" is for those that take any name, as local and nfs do'
            )
            raise SectionError([ConfigProblem(("targets", label, "backup-layout"), problem)])
        return Repository(target, rules.id, rules.backup_layout)

    def mirror(self, label: str) -> tuple[Mirror[Settings], MirrorRules]:
        """Return a mirror and the core's rules for it. Raises ConfigError."""
        if label not in self.config.mirrors:
            raise ConfigError(f"{self.file.path}: {_unknown('mirror', label, self.config.mirrors)}")
        try:
            mirror, rules = self._mirror(label)
        except SectionError as error:
            self.file.refuse(error.problems)
            raise
        self._keep_secrets(mirror)
        return mirror, rules

    def _mirror(self, label: str) -> tuple[Mirror[Settings], MirrorRules]:
        rules, section = _split(MirrorRules, self.config.mirrors[label], ("mirrors", label))
        mirror = self.registry.mirror(label, section)
        mirror.meet(self._opened)
        return mirror, rules

    def notifier(self, label: str) -> Notifier[Settings]:
        """Return a notifier. Raises ConfigError."""
        if label not in self.config.notifiers:
            raise ConfigError(f"{self.file.path}: {_unknown('notifier', label, self.config.notifiers)}")
        try:
            notifier, _ = self._notifier(label, self.config.notifiers[label])
        except SectionError as error:
            self.file.refuse(error.problems)
            raise
        self._keep_secrets(notifier)
        return notifier

    def _notifier(self, label: str, whole: Section) -> tuple[Notifier[Settings], NotifierRules]:
        rules, section = _split(NotifierRules, whole, ("notifiers", label))
        if unknown := [job for job in rules.jobs if job not in self.config.jobs]:
            raise SectionError(
                [ConfigProblem(("notifiers", label, "jobs"), _unknown("job", unknown[0], self.config.jobs))]
            )
        return self.registry.notifier(label, section), rules

    @contextmanager
    def _opened(self, label: str) -> Iterator[Target[Settings]]:
        """Enter a target of the configuration, and prove that it is the one that is meant."""
        repository = self.repository(label)
        with repository.target:
            repository.prove()
            yield repository.target

    def _packing(self, name: str, job: Job) -> Packing:
        at = ("jobs", name, "compress")
        if job.compress is None:
            return Packing()
        if job.compress.when == "host":
            if ours := sorted(job.compress.section):
                raise SectionError([ConfigProblem((*at, ours[0]), "the pool's host compresses, and takes no settings")])
            return Packing(host=job.compress.with_)
        compressor = self.registry.compressor(job.compress.with_, job.compress.section, at)
        if job.compress.when == "after":
            if not compressor.suffix:
                raise SectionError(
                    [ConfigProblem((*at, "with"), f"{job.compress.with_!r} makes nothing smaller later")]
                )
            return Packing(later=Later(compressor=job.compress.with_, settings=job.compress.section))
        if job.compress.worker:
            raise SectionError([ConfigProblem((*at, "worker"), 'a worker is only for when = "after"')])
        return Packing(compressor=compressor)


def _split(kind: type[R], section: Section, at: tuple[str, ...]) -> tuple[R, Section]:
    """Return what of a plugin's section is the core's own business, and the rest. Raises SectionError."""
    names = {name for field in kind.model_fields for name in (field, field.replace("_", "-"))}
    own = {key: value for key, value in section.items() if key in names}
    try:
        rules = kind.model_validate(own)
    except ValidationError as error:
        raise SectionError(problems_of(error, kind, at)) from None
    return rules, {key: value for key, value in section.items() if key not in own}


def _out_of_place(name: str, job: Job, repositories: Collection[Repository]) -> Iterator[ConfigProblem]:
    """Yield what a job asks of targets that their layouts do not allow."""
    for repository in repositories:
        if repository.layout == "xo":
            problem = f"{repository.target.label} holds Xen Orchestra's backups, and is only read"
            yield ConfigProblem(("jobs", name, "targets"), problem)
    laid = [repository.target.label for repository in repositories if repository.layout == "nau"]
    if laid and job.compress and job.compress.when == "after":
        problem = f'"after" exchanges images, but those on {laid[0]} have second names (backup-layout = "nau")'
        yield ConfigProblem(("jobs", name, "compress", "when"), problem)


class _Collector:
    """Makes plugins and keeps what is wrong with their sections, so that all of it is told at once."""

    def __init__(self, at: tuple[str, ...]) -> None:
        self._at = at
        self.problems: list[ConfigProblem] = []

    def make(self, call: Callable[[], T]) -> T | None:
        try:
            return call()
        except SectionError as error:
            self.problems.extend(error.problems)
            return None

    def each(
        self,
        key: str,
        kind: str,
        labels: Iterable[str],
        sections: Mapping[str, Section],
        factory: Callable[[str, Section], T],
    ) -> list[T]:
        made = []
        for label in labels:
            if label not in sections:
                self.problems.append(ConfigProblem((*self._at, key), _unknown(kind, label, sections)))
            elif (plugin := self.make(partial(factory, label, sections[label]))) is not None:
                made.append(plugin)
        return made


def _unknown_in_hooks(config: Config) -> Iterator[ConfigProblem]:
    """Yield the jobs and targets that hooks name and the configuration does not have."""
    for number, hook in enumerate(config.hooks):
        yield from (
            ConfigProblem(("hooks", number, "jobs"), _unknown("job", label, config.jobs))
            for label in hook.jobs
            if label not in config.jobs
        )
        yield from (
            ConfigProblem(("hooks", number, "targets"), _unknown("target", label, config.targets))
            for label in hook.targets
            if label not in config.targets
        )


def _unknown(kind: str, label: str, known: Collection[str]) -> str:
    return f"there is no {kind} {label!r}; there is {', '.join(sorted(known)) or 'none'}"
