"""The simulator as tests, demos and plugin authors use it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from vmbackup.simulator import certificate, inhabitants
from vmbackup.simulator.database import Record
from vmbackup.simulator.disks import DiskSpec
from vmbackup.simulator.faults import Faults
from vmbackup.simulator.founding import found, recover
from vmbackup.simulator.journal import Journal
from vmbackup.simulator.pool import Checksum, Pool, Settings
from vmbackup.simulator.schema import NULL
from vmbackup.simulator.server import Server

_HOSTNAME = "xcp-simulated"
_GIB = 1 << 30


class Simulator:
    """A XenServer pool of one host in this process, with its records and disks under the folder `data`.

    A context manager: it listens inside the block, on IPv4 loopback unless told otherwise, and closes every socket and
    thread at its end. What the folder holds from an earlier time is there again; sessions and tasks are not.
    Times are in seconds; `Settings` in `pool.py` says what the other arguments mean.
    """

    def __init__(
        self,
        data: Path,
        *,
        address: str = "127.0.0.1",
        port: int = 0,
        tls: bool = True,
        username: str = "root",
        password: str = "simulated",  # noqa: S107  the password of a pool that does not exist
        checksum: Checksum = "xxhash",
        keepalive_seconds: float = 5.0,
        keepalive_blocks: frozenset[int] = frozenset(),
        retry_seconds: float = 2.0,
        progress_seconds: float = 1.0,
        first_ref: int = 94,
    ) -> None:
        data.mkdir(parents=True, exist_ok=True)
        self._data = data
        self._address = (address, port)
        self._tls = tls
        self._server: Server | None = None
        settings = Settings(
            username=username,
            password=password,
            checksum=checksum,
            keepalive_seconds=keepalive_seconds,
            keepalive_blocks=keepalive_blocks,
            retry_seconds=retry_seconds,
            progress_seconds=progress_seconds,
            first_ref=first_ref,
        )
        self._pool = Pool.open(data / "disks", settings)
        self._journal = Journal(self._pool.db, data)
        self.fresh = not self._journal.load()
        if self.fresh:
            found(self._pool)
        else:
            recover(self._pool)
        self._journal.start()

    @property
    def url(self) -> str:
        """The pool's address. Raises RuntimeError unless it listens."""
        if self._server is None:
            raise RuntimeError("the simulator does not listen")
        return f"{'https' if self._tls else 'http'}://{self._address[0]}:{self._server.port}"

    @property
    def certificate(self) -> Path:
        """The PEM file with the certificate (and its key); made when it is first needed, then kept."""
        path = self._data / "host.pem"
        certificate.ensure_certificate(path, _HOSTNAME)
        return path

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of the certificate: upper-case hex with colons."""
        return certificate.fingerprint(self.certificate)

    @property
    def username(self) -> str:
        """Who may log in."""
        return self._pool.settings.username

    @property
    def password(self) -> str:
        """With what."""
        return self._pool.settings.password

    @property
    def faults(self) -> Faults:
        """What goes wrong on purpose."""
        return self._pool.faults

    def start(self) -> None:
        """Listen. Raises OSError when the port is taken."""
        context = certificate.server_context(self.certificate) if self._tls else None
        self._server = Server(self._pool, self._address, context)

    def stop(self) -> None:
        """Close every connection, wait for all threads, and keep the records."""
        self._pool.stopping.set()
        if self._server is not None:
            self._server.close()
            self._server = None
        self._pool.close()
        self._journal.close()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def add_vm(
        self,
        name: str,
        disks: Sequence[DiskSpec] = (),
        *,
        power_state: str = "Running",
        tags: Sequence[str] = (),
        description: str = "",
        memory: int = _GIB,
        vcpus: int = 1,
        cd: bool = True,
        networks: int = 1,
        other_config: Mapping[str, str] | None = None,
    ) -> str:
        """Make a VM with its disks on the default repository, interfaces, and a CD drive without a disc.

        `memory` in bytes. Returns the VM's uuid.
        """
        pool = self._pool
        with pool.db.change():
            vm = inhabitants.add_machine(
                pool,
                name,
                description=description,
                memory=memory,
                vcpus=vcpus,
                tags=tags,
                other=other_config or {},
            )
            for number in range(networks):
                inhabitants.add_interface(pool, vm, number)
            for number, spec in enumerate(disks):
                inhabitants.add_disk(pool, vm, spec, number + (number > 2))  # noqa: PLR2004  3 is the CD drive's place
            if cd:
                inhabitants.add_cd_drive(pool, vm, NULL)
            inhabitants.set_power_state(pool, vm, power_state)
            uuid: str = pool.db.get("VM", vm)["uuid"]
            return uuid

    @contextmanager
    def editing(self) -> Iterator[Pool]:
        """Change records and disks directly; clients see all of a block's changes at once."""
        with self._pool.db.change():
            yield self._pool

    def records(self, cls: str) -> dict[str, Record]:
        """Give a deep copy of a class's records by ref, as they are at this moment."""
        return self._pool.db.copy(cls)

    def disk_path(self, vdi_uuid: str) -> Path:
        """Give the file of a VDI."""
        return self._pool.disks.path(vdi_uuid)

    def digest(self, vdi_uuid: str) -> str:
        """Give the SHA-256 of a disk; of a snapshot, what it held when it was taken, even after it is destroyed.

        The last snapshots (64, and 1 GiB of data) are remembered. Raises FileNotFoundError for others.
        """
        return self._pool.disks.digest(vdi_uuid)

    def same(self, vdi_uuid: str, other: str) -> bool:
        """Say whether two disks hold the same, byte for byte; of a snapshot counts what it held when it was taken."""
        return self._pool.disks.same(vdi_uuid, other)
