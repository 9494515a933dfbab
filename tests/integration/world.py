"""A pool, a target and a configuration for a test, and what must be true of them afterwards."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import XenAPI

from vmbackup.config_file import load
from vmbackup.manifest import Identity
from vmbackup.registry import Registry
from vmbackup.repository import Repository
from vmbackup.results import Backup, Report
from vmbackup.run import run_job
from vmbackup.simulator import Simulator
from vmbackup.site import Site
from vmbackup.verify import Verdict, verify
from vmbackup.watch import Nobody

MIB = 1 << 20
# What a backup may change in a pool for good: the snapshot's own messages, and what the storage says of its use.
VOLATILE = {
    "VM": {"allowed_operations", "current_operations"},
    "VDI": {"allowed_operations", "current_operations", "physical_utilisation"},
    "SR": {"allowed_operations", "current_operations", "physical_utilisation", "virtual_allocation"},
    "VBD": {"allowed_operations", "current_operations"},
}


@dataclass
class World:
    """One simulated pool with one local target."""

    folder: Path
    pool: Simulator
    identity: str = field(default_factory=lambda: str(uuid.uuid4()))

    def __post_init__(self) -> None:
        self.target.mkdir(mode=0o700)
        password = self.folder / "pool.password"
        password.write_text(self.pool.password)
        password.chmod(0o600)

    @property
    def target(self) -> Path:
        return self.folder / "target"

    @property
    def config(self) -> Path:
        return self.folder / "vmbackup.toml"

    @property
    def head(self) -> str:
        """The sections that every configuration here begins with."""
        return f"""\
state = "{self.folder}/state"

[pool]
url = "{self.pool.url}"
username = "{self.pool.username}"
password = {{ file = "{self.folder}/pool.password" }}
tls = {{ fingerprint = "{self.pool.fingerprint}" }}

[targets.disk]
type = "local"
id = "{self.identity}"
path = "{self.target}"
"""

    def configure(self, jobs: str, *, head: str | None = None) -> None:
        """Write the configuration: the usual head, and these jobs."""
        self.config.write_text((head if head is not None else self.head) + jobs)
        self.config.chmod(0o600)

    def site(self) -> Site:
        return Site(load(self.config), Registry.installed())

    def init_target(self) -> None:
        repository = self.site().repository("disk")
        with repository.target:
            repository.initialise(Identity(id=self.identity, label="disk", created=datetime.now(UTC)))

    def run(self, job: str = "test") -> Report:
        """Run a job in this process."""
        return run_job(self.site(), job, Nobody())

    def repository(self) -> Repository:
        return self.site().repository("disk")

    def backups(self) -> list[Backup]:
        repository = self.repository()
        with repository.target:
            return repository.backups()

    def verify_all(self) -> list[Verdict]:
        repository = self.repository()
        with repository.target:
            return [verify(backup, repository, Registry.installed()) for backup in repository.backups()]

    def cli(
        self, *arguments: str, env: Mapping[str, str] | None = None, timeout: float = 100
    ) -> subprocess.CompletedProcess[str]:
        """Run the command line in a process of its own."""
        return subprocess.run(
            command(*arguments), check=False, capture_output=True, text=True, timeout=timeout, env=self.environ(env)
        )

    def environ(self, env: Mapping[str, str] | None = None) -> dict[str, str]:
        return {**os.environ, "VMBACKUP_CONFIG": str(self.config), "COLUMNS": "200", **(env or {})}

    def records(self) -> dict[str, dict[str, dict[str, object]]]:
        """What the pool holds, without what a backup may change."""
        return {
            name: {
                ref: {key: value for key, value in record.items() if key not in VOLATILE.get(name, set())}
                for ref, record in self.pool.records(name).items()
            }
            for name in ("VM", "VBD", "VDI", "SR", "VIF", "task")
        }

    def files(self) -> set[str]:
        """Every file on the target, hidden ones too, without the records of runs."""
        found = (path.relative_to(self.target).as_posix() for path in self.target.rglob("*") if not path.is_dir())
        return {name for name in found if not name.startswith("runs/")}

    def folders(self) -> set[str]:
        """Every folder on the target, without the records of runs."""
        found = (path.relative_to(self.target).as_posix() for path in self.target.rglob("*") if path.is_dir())
        return {name for name in found if not name.startswith("runs")}

    def journals(self) -> list[Path]:
        return list((self.folder / "state" / "journal").glob("*"))


def distribution(folder: Path, name: str, source: Path | None = None) -> Path:
    """Make a distribution out of `source`, or the plugin `name`.py beside this file; `folder` is where it is found."""
    facts = folder / f"vmbackup_{name}-1.0.dist-info"
    facts.mkdir(parents=True)
    (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: vmbackup-{name}\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text(f"[vmbackup]\n{name} = vmbackup_{name}\n")
    shutil.copy(source or Path(__file__).with_name(f"{name}.py"), folder / f"vmbackup_{name}.py")
    return folder


def command(*arguments: str) -> Sequence[str]:
    """The command line as this environment has it."""
    return [str(Path(sys.executable).with_name("vmbackup")), *arguments]


def json_of(done: subprocess.CompletedProcess[str]) -> dict[str, object]:
    """The last line of a command's output, as JSON."""
    value = json.loads(done.stdout.splitlines()[-1])
    assert isinstance(value, dict)
    return value


def job(vms: str, *, keep: int = 4, more: str = "", name: str = "test") -> str:
    """A job that takes what `vms` matches."""
    return f"""
[jobs.{name}]
targets = ["disk"]
keep = {{ last = {keep} }}
{more}
[[jobs.{name}.vms]]
match = "{vms}"
"""


@contextlib.contextmanager
def stranger(world: World) -> Iterator[XenAPI.Session]:
    """Log in to the pool as somebody else, with the binding alone."""
    session = XenAPI.Session(world.pool.url, ignore_ssl=True)
    session.xenapi.login_with_password(world.pool.username, world.pool.password, "1.0", "a stranger")
    yield session
    session.xenapi.session.logout()
    session("close")()
