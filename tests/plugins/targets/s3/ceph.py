"""Debian's Ceph for a test: one monitor, one store in memory, and RADOS gateways, which speak S3, all on loopback.

A cluster takes its time to start, so all workers of a test run share one: `shared` starts this file as a process of its
own, which lives for as long as somebody holds the lock in its folder.
"""

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.plugins.targets.s3.moto_server import ACCESS_KEY, SECRET_KEY, listens
from tests.plugins.targets.smb.samba import free_port

STRANGER = "stranger-8Mv1"
PATIENCE = 100
_CONFIG = """\
[global]
fsid = {fsid}
mon_host = [v2:127.0.0.1:{mon},v1:127.0.0.1:{mon_v1}]
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
auth_cluster_required = cephx
auth_service_required = cephx
auth_client_required = cephx
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 1
osd_pool_default_pg_autoscale_mode = off
mon_allow_pool_size_one = true
osd_crush_chooseleaf_type = 0
osd_objectstore = memstore
memstore_device_bytes = 4294967296
mon_data_avail_crit = 0
mon_data_avail_warn = 0
run_dir = {folder}/run
admin_socket = {folder}/run/$name-$pid.asok
log_file = {folder}/log/$name.log
keyring = {folder}/keyring
mon_data = {folder}/mon
osd_data = {folder}/osd
rgw_dns_name = localhost
rgw_enable_usage_log = false
rgw_thread_pool_size = 64
rgw_cache_enabled = false
"""


@dataclass
class Gateway:
    """One way into the cluster of `folder`: a radosgw, which can be killed and started again."""

    folder: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, and wait until it listens."""
        self.process = daemon(
            self.folder,
            *("radosgw", "-f", "-n", "client.rgw.a", f"--rgw_frontends=beast endpoint=127.0.0.1:{self.port}"),
        )
        _wait(lambda: listens(self.port), self.folder)

    def kill(self) -> None:
        """Kill it, as a loss of power would."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(PATIENCE)
            self.process = None

    def send_signal(self, number: signal.Signals) -> None:
        """Freeze it with SIGSTOP, let it go on with SIGCONT."""
        assert self.process is not None
        os.killpg(self.process.pid, number)


@contextlib.contextmanager
def own_gateway(folder: Path) -> Iterator[Gateway]:
    gateway = Gateway(folder)
    gateway.start()
    try:
        yield gateway
    finally:
        gateway.kill()


@contextlib.contextmanager
def shared(folder: Path) -> Iterator[Gateway]:
    """The gateway of the cluster in `folder`, which the first who asks starts."""
    folder.mkdir(exist_ok=True)
    with (folder / "held").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_SH)
        with contextlib.suppress(FileExistsError):
            (folder / "begun").touch(exist_ok=False)
            with (folder / "keeper.log").open("ab") as log:
                # Nobody's child: it goes when all have let go, of whom we may not be the last.
                command = ["setsid", "--fork", sys.executable, "-m", __name__, str(folder)]
                subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        _wait((folder / "ready").exists, folder)
        yield Gateway(folder / "cluster", int((folder / "ready").read_text()))


def common(factory: pytest.TempPathFactory) -> Path:
    """The folder of the cluster that all workers of a test run share."""
    base = factory.getbasetemp()
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "ceph"


def daemon(folder: Path, *command: str) -> subprocess.Popen[bytes]:
    with (folder / "daemons.log").open("ab") as log:
        environment = {**os.environ, "CEPH_CONF": str(folder / "ceph.conf")}
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, env=environment
        )


def _wait(until: Callable[[], bool], folder: Path) -> None:
    end = time.monotonic() + PATIENCE
    while not until():
        assert time.monotonic() < end, "".join(path.read_text() for path in folder.glob("*.log"))
        time.sleep(0.1)


class Cluster:
    """A monitor, a store and a gateway in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.daemons: list[subprocess.Popen[bytes]] = []
        self.gateway = Gateway(folder)

    def start(self) -> None:
        """Start everything, and make two users, of whom one has nothing."""
        for name in ("mon", "osd", "run", "log"):
            (self.folder / name).mkdir(parents=True)
        fsid, osd, mon, mon_v1 = str(uuid.uuid4()), str(uuid.uuid4()), free_port(), free_port()
        keyring = self.folder / "keyring"
        config = _CONFIG.format(fsid=fsid, mon=mon, mon_v1=mon_v1, folder=self.folder)
        (self.folder / "ceph.conf").write_text(config)
        address = f"[v2:127.0.0.1:{mon},v1:127.0.0.1:{mon_v1}]"
        monmap = str(self.folder / "monmap")
        self._do("monmaptool", "--create", "--clobber", "--fsid", fsid, "--addv", "a", address, monmap)
        caps = ["--cap", "mon", "allow *"]
        self._do("ceph-authtool", "-C", str(keyring), "--gen-key", "-n", "mon.", *caps)
        for name in ("client.admin", "osd.0", "client.rgw.a"):
            more = ["--cap", "osd", "allow *", "--cap", "mgr", "allow *"]
            self._do("ceph-authtool", str(keyring), "--gen-key", "-n", name, *caps, *more)
        self._do("ceph-mon", "--mkfs", "-i", "a", "--monmap", monmap, "--keyring", str(keyring))
        self.daemons.append(daemon(self.folder, "ceph-mon", "-i", "a", "-f"))
        self._do("ceph", "-s", "--connect-timeout", "60")
        self._do("ceph", "osd", "new", osd)
        self._do("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", osd, "--keyring", str(keyring))
        self._do("ceph", "auth", "import", "-i", str(keyring))
        self._do("ceph", "osd", "crush", "add", "osd.0", "1", "root=default", "host=h")
        self.daemons.append(daemon(self.folder, "ceph-osd", "-i", "0", "-f"))
        _wait(lambda: " 1 up" in self._do("ceph", "osd", "stat"), self.folder)
        self.gateway.start()
        for user, access in (("backup", ACCESS_KEY), ("stranger", STRANGER)):
            keys = [f"--access-key={access}", f"--secret-key={SECRET_KEY}"]
            self._do("radosgw-admin", "user", "create", f"--uid={user}", f"--display-name={user}", *keys)

    def stop(self) -> None:
        """Kill everything, and remove what it kept."""
        self.gateway.kill()
        for process in self.daemons:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(PATIENCE)
        shutil.rmtree(self.folder)

    def _do(self, *command: str) -> str:
        environment = {**os.environ, "CEPH_CONF": str(self.folder / "ceph.conf")}
        done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment, timeout=PATIENCE)
        return done.stdout


def keep(folder: Path) -> None:
    """Be the process that has the cluster, until nobody holds the lock."""
    cluster = Cluster(folder / "cluster")
    with (folder / "held").open("r") as held:
        try:
            cluster.start()
            (folder / "ready").write_text(str(cluster.gateway.port))
            fcntl.flock(held, fcntl.LOCK_EX)
        finally:
            cluster.stop()
            # Who comes now waits for the lock, and starts another.
            (folder / "ready").unlink(missing_ok=True)
            (folder / "begun").unlink()


if __name__ == "__main__":
    keep(Path(sys.argv[1]))
