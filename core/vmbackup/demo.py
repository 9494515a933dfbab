"""A whole tour without a XenServer: back up the VMs of a simulated pool, verify, restore, and compare every byte."""

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from vmbackup.config_file import load
from vmbackup.journal import Journal
from vmbackup.manifest import Identity
from vmbackup.registry import Registry
from vmbackup.restore import Destination, Restored, Source, Wishes, plan_for, restore
from vmbackup.results import Backup, Report
from vmbackup.run import run_job
from vmbackup.simulator import Simulator, demo_pool
from vmbackup.site import Site
from vmbackup.state import write_flushed
from vmbackup.verify import Verdict, verify
from vmbackup.watch import Watcher
from vmbackup.xapi.inventory import read_pool

JOB = "nightly"
LINUX, WINDOWS = "linux-web", "windows-db"
CONFIG = """\
# What `vmbackup demo` ran. The pool is gone; the target, with the backups, is still here.
state = "{folder}/state"

[pool]
url = "{url}"
username = "{username}"
password = {{ file = "{folder}/pool.password" }}
tls = {{ fingerprint = "{fingerprint}" }}

[targets.demo]
type = "local"
id = "{identity}"
path = "{folder}/target"

[methods.vdi-export]
format = "vhd"                          # leaves the holes of the big disk out

[jobs.nightly]
targets = ["demo"]
keep = {{ last = 4 }}
pool-database = true

[[jobs.nightly.vms]]
match = "*"

[[jobs.nightly.vms]]
match = "windows-*"
method = "vdi-export"                   # its OS disk only
"""


@dataclass(frozen=True, slots=True)
class Compared:
    """A disk that was restored, and whether it holds what its source held when the snapshot was taken."""

    vm: str
    disk: int
    virtual_size: int
    same: bool


class Demo:
    """One tour in one folder, which must be empty. The steps are called in their order."""

    def __init__(self, folder: Path, simulator: Simulator) -> None:
        """`simulator` is running; its pool is filled with the demo's VMs."""
        self._simulator = simulator
        demo_pool(simulator)
        (folder / "target").mkdir(mode=0o700)
        write_flushed(folder / "pool.password", simulator.password.encode())
        identity = Identity(id=str(uuid.uuid4()), label="demo", created=datetime.now(UTC))
        config = CONFIG.format(
            folder=folder,
            url=simulator.url,
            username=simulator.username,
            fingerprint=simulator.fingerprint,
            identity=identity.id,
        )
        self.config = folder / "vmbackup.toml"
        write_flushed(self.config, config.encode())
        self._site = Site(load(self.config), Registry.installed())
        repository = self._site.repository("demo")
        with repository.target:
            repository.initialise(identity)

    def run(self, watcher: Watcher) -> Report:
        """Run the job."""
        return run_job(self._site, JOB, watcher)

    def verify(self, tell: Callable[[Backup], None]) -> list[Verdict]:
        """Read every backup back; `tell` is told of each before it is read."""
        repository = self._site.repository("demo")
        verdicts = []
        with repository.target:
            for backup in repository.backups():
                tell(backup)
                verdicts.append(verify(backup, repository, self._site.registry))
        return verdicts

    def restore(self, tell: Callable[[Backup], None]) -> Iterator[tuple[Backup, Restored]]:
        """Restore a whole VM and an OS disk into the pool, under new names."""
        repository, state = self._site.repository("demo"), self._site.state()
        with self._site.session("vmbackup-demo") as session, repository.target:
            pool = read_pool(session)
            for backup in repository.backups():
                vm = backup.manifest.vm
                if vm is None or vm.name not in {LINUX, WINDOWS}:
                    continue
                tell(backup)
                with Journal.begin(state.journals, uuid.uuid4().hex[:16], pool.uuid) as journal:
                    source = Source(backup, repository, self._site.registry, lambda _: None)
                    plan = plan_for(source, session, Wishes(name=f"{vm.name}-restored", new_mac=True))
                    yield backup, restore(source, Destination(session, journal, uuid.uuid4().hex), plan)

    def compare(self, backup: Backup, restored: Restored) -> Iterator[Compared]:
        """Compare each restored disk with what the pool itself saw in the snapshot, byte for byte."""
        image = backup.manifest.image
        for disk in image.disks if image else ():
            same = self._simulator.same(disk.uuid, restored.disks[disk.position])
            yield Compared(restored.name, disk.position, disk.virtual_size, same)
