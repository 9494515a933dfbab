"""One target and three mirrors, each of another kind and on a server of its own: a folder, rsync's daemon, and S3."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.integration.world import MIB, World, job, json_of
from tests.plugins.mirrors.proxy import Proxy
from tests.plugins.mirrors.servers import PASSWORD, Daemon
from tests.plugins.targets.s3.conftest import new_bucket
from tests.plugins.targets.s3.moto_server import ACCESS_KEY, SECRET_KEY, Moto, running

from vmbackup.conformance import FolderPlace
from vmbackup.manifest import Identity
from vmbackup.results import exit_code
from vmbackup.simulator import DiskSpec, Simulator

MIRRORS = ["cloud", "far", "shelf"]


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    server = Daemon(tmp_path / "daemon")
    server.start()
    yield server
    server.kill()


@pytest.fixture
def proxy(daemon: Daemon) -> Iterator[Proxy]:
    with Proxy(daemon.port) as proxy:
        yield proxy


@pytest.fixture
def moto(tmp_path: Path) -> Iterator[Moto]:
    with running(Moto(tmp_path / "moto.log")) as server:
        yield server


@dataclass
class Four:
    """A world with three mirrors, and what each of the four places holds."""

    world: World
    daemon: Daemon

    def arrived(self, label: str) -> dict[str, bytes]:
        """Every file of a backup, by its key."""
        repository = self.world.site().repository(label)
        with repository.target as target:
            return {
                f"{backup.folder}/{name}": b"".join(target.fetch(f"{backup.folder}/{name}"))
                for backup in repository.backups()
                for name in ("begun.json", *(file.name for file in backup.manifest.files), "manifest.json")
            }

    def expect_equal(self) -> None:
        here = self.arrived("disk")
        assert len([key for key in here if key.endswith("image.xva")]) == 2
        assert self.arrived("second") == here
        assert self.arrived("bucket") == here
        assert FolderPlace(self.daemon.root).arrived("") == here
        listed = json_of(self.world.cli("list", "--mirrors", "--target", "disk", "--json"))["backups"]
        assert [sorted(backup["mirrors"]) for backup in listed] == [MIRRORS] * 2  # type: ignore[attr-defined]


@pytest.fixture
def four(tmp_path: Path, pool: Simulator, daemon: Daemon, proxy: Proxy, moto: Moto) -> Four:
    pool.add_vm("web 0", [DiskSpec(18 * MIB, seed=1, fill=0.9)])
    pool.add_vm("web 1", [DiskSpec(5 * MIB, seed=2, fill=0.6), DiskSpec(3 * MIB, seed=3, fill=0.6)])
    world = World(tmp_path, pool)
    second, bucket = str(uuid.uuid4()), str(uuid.uuid4())
    (tmp_path / "second").mkdir(mode=0o700)
    head = f"""{world.head}
[targets.second]
type = "local"
id = "{second}"
path = "{tmp_path}/second"

[targets.bucket]
type = "s3"
id = "{bucket}"
endpoint = "{moto.endpoint}"
bucket = "{new_bucket(moto.endpoint)}"
prefix = "xen"
part-size = 5
access-key = "{ACCESS_KEY}"
secret-key = "{SECRET_KEY}"

[mirrors.shelf]
type = "copy"
target = "second"

[mirrors.cloud]
type = "copy"
target = "bucket"

[mirrors.far]
type = "rsync"
to = "rsync://vmbackup@127.0.0.1:{proxy.port}/backups"
password = "{PASSWORD}"
timeout = 10
"""
    world.configure(job("web*", more='mirrors = ["shelf", "cloud", "far"]'), head=head)
    world.init_target()
    for label, identity in (("second", second), ("bucket", bucket)):
        repository = world.site().repository(label)
        with repository.target:
            repository.initialise(Identity(id=identity, label=label, created=datetime.now(UTC)))
    return Four(world, daemon)


def test_a_run_leaves_the_same_images_in_four_places(four: Four) -> None:
    report = four.world.run()
    assert exit_code(report, strict=True) == 0, report.all_warnings
    assert sorted((one.mirror, one.did) for one in report.mirrored) == [
        (mirror, "copied") for mirror in MIRRORS for _ in range(2)
    ]
    four.expect_equal()


def test_a_mirror_that_dies_in_mid_copy_costs_neither_the_backup_nor_the_other_mirrors(
    four: Four, proxy: Proxy
) -> None:
    proxy.after, proxy.event = 6 * MIB, four.daemon.kill
    done = four.world.cli("run", "test")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "warning mirror: far: copy simulated-pool" in done.stdout
    assert "rsync ended with" in done.stdout
    assert all(verdict.good for verdict in four.world.verify_all())
    assert four.arrived("second") == four.arrived("bucket") == four.arrived("disk")
    assert not list(four.daemon.root.rglob("manifest.json"))
    four.daemon.start()
    done = four.world.cli("mirror")
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == ["copied far"] * 2
    four.expect_equal()
