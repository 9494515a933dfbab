"""A whole site for a test: a simulated pool, a folder as target, and a configuration that joins them."""

import json
import uuid
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from vmbackup.bench import Packing
from vmbackup.config import MirrorRules, NotifierRules
from vmbackup.config_file import ConfigFile, load
from vmbackup.contracts import Compressor, Method, Mirror, Notifier, Plugin, Reporter, Target
from vmbackup.journal import Journal
from vmbackup.manifest import Identity
from vmbackup.registry import Registered, Registry
from vmbackup.repository import Repository
from vmbackup.restore import Destination, Restored, Source, Wishes, plan_for, restore
from vmbackup.results import Backup, Report
from vmbackup.run import run_job
from vmbackup.settings import Settings
from vmbackup.simulator import Simulator
from vmbackup.site import JobParts, Site
from vmbackup.state import write_flushed
from vmbackup.verify import Verdict, verify
from vmbackup.watch import Nobody
from vmbackup.xapi.inventory import read_pool
from vmbackup.xapi.session import Session

JOB = "test"
CONFIG = """\
state = "{folder}/state"

[pool]
url = "{pool.url}"
username = "{pool.username}"
password = {{ file = "{folder}/pool.password" }}
tls = {{ fingerprint = "{pool.fingerprint}" }}

[targets.disk]
type = "local"
id = "{identity}"
path = "{folder}/target"

[jobs.{job}]
targets = ["disk"]
keep = {{ last = 4 }}
{more}

[[jobs.{job}.vms]]
match = {vms}
"""
# What a backup may change in a pool for good: what others do meanwhile, and what the storage says of its use.
VOLATILE = {"allowed_operations", "current_operations", "physical_utilisation", "virtual_allocation"}
Records = dict[str, dict[str, dict[str, object]]]


class SimulatedSite:
    """A simulated pool and all that a job needs; plugins that are given to `use` take part as they are.

    `pool` may be given VMs and faults at any time. The target is `folder / "target"` unless another one is used.
    """

    def __init__(self, folder: Path, pool: Simulator) -> None:
        """`folder` is for this site alone."""
        self.pool = pool
        self.folder = folder
        self.identity = str(uuid.uuid4())
        self._plugins: list[Plugin[Settings]] = []
        self._listeners: list[object] = []
        (folder / "target").mkdir(mode=0o700)
        write_flushed(folder / "pool.password", pool.password.encode())
        self.configure()
        self._initialise(self.repository())

    def configure(self, vms: str = "*", more: str = "") -> None:
        """Write the configuration anew: which VMs the job takes, and lines that stand in the job besides."""
        text = CONFIG.format(
            folder=self.folder, pool=self.pool, identity=self.identity, job=JOB, vms=json.dumps(vms), more=more
        )
        write_flushed(self.config, text.encode())

    @property
    def config(self) -> Path:
        """The configuration file, for the command line."""
        return self.folder / "vmbackup.toml"

    def use(self, *plugins: Plugin[Settings], listeners: Iterable[object] = ()) -> None:
        """Have plugins take part in what comes: in the place of what the configuration names, or beside it.

        A target is entered and made ours. `listeners` are modules, or other objects, with moments.
        """
        self._plugins += plugins
        self._listeners += listeners
        if any(isinstance(plugin, Target) for plugin in plugins):
            self._initialise(self.repository())

    def run(self) -> Report:
        """Run the job, and return the report that everyone was told."""
        return run_job(self._site(), JOB, Nobody())

    def session(self) -> Session:
        """Return a session with the pool, which a `with` logs in and out."""
        return self._site().session("vmbackup-test")

    def backups(self) -> list[Backup]:
        """Return the backups on the target."""
        repository = self.repository()
        with repository.target:
            return repository.backups()

    def verify(self, backup: Backup) -> Verdict:
        """Read a backup back, whole, and prove it again."""
        site, repository = self._site(), self.repository()
        with repository.target:
            return verify(backup, repository, site.registry)

    def restore(self, backup: Backup, name: str) -> Restored:
        """Bring a backup back into the pool as a new VM of that name."""
        site, repository = self._site(), self.repository()
        with site.session("vmbackup-test") as session, repository.target:
            pool = read_pool(session)
            source = Source(backup, repository, site.registry, lambda _: None)
            with Journal.begin(site.state().journals, uuid.uuid4().hex[:16], pool.uuid) as journal:
                plan = plan_for(source, session, Wishes(name=name, new_mac=True))
                return restore(source, Destination(session, journal, uuid.uuid4().hex), plan)

    def same(self, backup: Backup, restored: Restored) -> bool:
        """Whether each restored disk holds, byte for byte, what the pool held when the backup was made."""
        image = backup.manifest.image
        disks = image.disks if image else ()
        return {disk.position for disk in disks} == set(restored.disks) and all(
            self.pool.same(disk.uuid, restored.disks[disk.position]) for disk in disks
        )

    def records(self) -> Records:
        """Return what the pool holds, without what a backup may change."""
        return {
            kind: {
                ref: {key: value for key, value in record.items() if key not in VOLATILE}
                for ref, record in self.pool.records(kind).items()
            }
            for kind in ("VM", "VBD", "VDI", "SR", "VIF", "task")
        }

    def repository(self) -> Repository:
        """Return the repository on the target, which is not entered."""
        for plugin in self._plugins:
            if isinstance(plugin, Target):
                return Repository(_anew(plugin), self.identity)
        return self._site().repository("disk")

    def _initialise(self, repository: Repository) -> None:
        with repository.target:
            repository.initialise(Identity(id=self.identity, label="disk", created=datetime.now(UTC)))

    def _site(self) -> "_Site":
        registry = Registry.installed()
        for plugin in self._plugins:
            registry.plugins[plugin.kind, plugin.name] = Registered(type(plugin), "a test", "")
        for listener in self._listeners:
            registry.hooks.register(listener)
        file = load(self.config)
        return _Site(file, registry, plugins=tuple(self._plugins))


class _Site(Site):
    """A site whose job has plugins that no configuration names."""

    def __init__(self, file: ConfigFile, registry: Registry, plugins: Iterable[Plugin[Settings]]) -> None:
        super().__init__(file, registry)
        self._plugins = tuple(plugins)

    def job(self, name: str) -> JobParts:
        parts = super().job(name)
        for plugin in self._plugins:
            parts = self._with(parts, plugin)
        return parts

    def _with(self, parts: JobParts, plugin: Plugin[Settings]) -> JobParts:
        match plugin:
            case Method():
                job = parts.job.model_copy(update={"method": plugin.label})
                return replace(parts, job=job, methods={plugin.label: plugin})
            case Target():
                job = parts.job.model_copy(update={"targets": (plugin.label,)})
                (repository,) = parts.repositories
                return replace(parts, job=job, repositories=(Repository(_anew(plugin), repository.identity),))
            case Compressor():
                return replace(parts, packing=Packing(compressor=plugin))
            case Mirror():
                plugin.meet(self._opened)
                return replace(parts, mirrors=(*parts.mirrors, (plugin, MirrorRules())))
            case Reporter():
                return replace(parts, reporters=(*parts.reporters, plugin))
            case Notifier():
                return replace(parts, notifiers=(*parts.notifiers, (plugin, NotifierRules())))
        raise TypeError(f"{plugin!r} is of no kind that a job names")


def _anew(target: Target[Settings]) -> Target[Settings]:
    """Return another object for the same target: each command makes its own, and enters it once."""
    return type(target)(target.label, target.settings)
