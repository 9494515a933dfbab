"""The simulator as tests, demos and plugin authors use it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from vmbackup.simulator import chips, host_memory, host_records, inhabitants, provisioning
from vmbackup.simulator.clock import Clock
from vmbackup.simulator.database import Record
from vmbackup.simulator.disks import DiskSpec
from vmbackup.simulator.faults import Faults
from vmbackup.simulator.fleet import Fleet
from vmbackup.simulator.founding import disc, found, recover, repository
from vmbackup.simulator.garbage import Collector
from vmbackup.simulator.hosts import Host
from vmbackup.simulator.journal import Journal
from vmbackup.simulator.log import Log
from vmbackup.simulator.mending import mend
from vmbackup.simulator.pool import Pool, Settings
from vmbackup.simulator.profiles import PROFILES, Blocks, Checksum
from vmbackup.simulator.schema import MODEL, NULL
from vmbackup.simulator.sessions import Sessions
from vmbackup.simulator.users import Role, User

_GIB = 1 << 30


class Simulator:
    """A XenServer pool in this process, with its records and disks under the folder `data`.

    A context manager: it listens inside the block, on IPv4 loopback unless told otherwise, and closes every socket and
    thread at its end. What the folder holds from an earlier time is there again; sessions and tasks are not.
    A new pool gets so many `hosts`: the coordinator at `address`, the others at those that follow, all on one port.
    `profile` is the product (`PROFILES`): `checksum` and `blocks` are as it has them unless given.
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
        hosts: int = 1,
        profile: str = "xcpng83",
        checksum: Checksum | None = None,
        blocks: Blocks | None = None,
        keepalive_seconds: float = 5.0,
        keepalive_blocks: frozenset[int] = frozenset(),
        retry_seconds: float = 2.0,
        coalesce_seconds: float | None = 0.0,
        progress_seconds: float = 1.0,
        head_seconds: float = 10.0,
        boot_seconds: float = 0.2,
        dhcp: str = "192.0.2.10",
        first_ref: int = 94,
    ) -> None:
        data.mkdir(parents=True, exist_ok=True)
        product = PROFILES[profile]
        settings = Settings(
            username=username,
            password=password,
            profile=product,
            checksum=checksum or product.checksum,
            blocks=blocks or product.blocks,
            keepalive_seconds=keepalive_seconds,
            keepalive_blocks=keepalive_blocks,
            retry_seconds=retry_seconds,
            coalesce_seconds=coalesce_seconds,
            progress_seconds=progress_seconds,
            head_seconds=head_seconds,
            boot_seconds=boot_seconds,
            dhcp=dhcp,
            first_ref=first_ref,
        )
        self._pool = Pool.open(data / "disks", settings)
        self._journal = Journal(self._pool.db, data)
        self.fresh = not self._journal.load()
        self._pool.history.adopt(MODEL.classes)
        here = "127.0.0.1" if address == "0.0.0.0" else address  # noqa: S104  compared, not bound
        addresses = host_records.addresses(here, hosts if self.fresh else len(self._pool.db.table("host")))
        if self.fresh:
            found(self._pool, addresses)
        else:
            recover(self._pool, addresses)
        mend(self._pool.db, self._pool.disks)
        self._fleet = Fleet(self._pool, data, (address, port), tls=tls)
        collector = Collector(self._pool)
        self._pool.clock.moved = collector.collect
        self._pool.start(collector.run, "garbage collection")
        self._journal.start()
        self._pool.coalescer.wake(self._pool.start, self._pool.stopping)

    @property
    def url(self) -> str:
        """The coordinator's address. Raises RuntimeError unless it listens."""
        if not self.coordinator.url:
            raise RuntimeError("the simulator does not listen")
        return self.coordinator.url

    @property
    def hosts(self) -> tuple[Host, ...]:
        """The pool's hosts, the first coordinator first, whoever leads the pool now."""
        return self._fleet.hosts

    @property
    def coordinator(self) -> Host:
        """The host that leads the pool at this moment."""
        return self._fleet.coordinator

    @property
    def certificate(self) -> Path:
        """The PEM file with the coordinator's certificate (and its key)."""
        return self.coordinator.certificate

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of the coordinator's certificate: upper-case hex with colons."""
        return self.coordinator.fingerprint

    @property
    def log(self) -> Log:
        """What clients asked for and where VMs were plugged in, in the order in which it happened."""
        return self._pool.log

    @property
    def clock(self) -> Clock:
        """The pool's clock; `advance` lets sessions and tasks grow old."""
        return self._pool.clock

    @property
    def sessions(self) -> Sessions:
        """The pool's sessions; `expire_all` throws everybody out."""
        return self._pool.sessions

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
        self._fleet.listen()

    def stop(self) -> None:
        """Close every connection, wait for all threads, and keep the records."""
        self._pool.stopping.set()
        self._fleet.close()
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
        sr: str = "",
        iso: str = "",
        usb: bool = False,
        nvram: Mapping[str, str] | None = None,
        vtpm: str | None = None,
        agent: bool = True,
    ) -> str:
        """Make a VM with its disks, interfaces and a CD drive; running where its disks are seen.

        `memory` in bytes; `sr` is the uuid of the disks' repository, the pool's default unless given; `iso` that of the
        disc in its CD drive. `usb` plugs a USB device into it, with `nvram` it boots by UEFI, `vtpm` is what its TPM
        holds (base64). Without an `agent` its guest never reports, nor does that of a copy. Returns the VM's uuid.
        """
        pool = self._pool
        where = pool.db.by_uuid("SR", sr) if sr else pool.record["default_SR"]
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
                vdi = inhabitants.add_disk(pool, vm, where, spec, number + (number > 2))  # noqa: PLR2004  3 is the CD drive's place
                if agent and not number:
                    pool.bootable.learn(pool.disks.fingerprint(pool.db.get("VDI", vdi)["uuid"]))
            if cd:
                inhabitants.add_cd_drive(pool, vm, pool.db.by_uuid("VDI", iso) if iso else NULL)
            if usb:
                pool.db.create("VUSB", {"VM": vm})
            if nvram is not None:
                firmware = {"order": "cdn", "firmware": "uefi"}
                pool.db.set("VM", vm, NVRAM=dict(nvram), HVM_boot_params=firmware)
            if vtpm is not None:
                chips.make(pool.db, vm, vtpm, {})
            inhabitants.set_power_state(pool, vm, power_state, agent=agent)
            uuid: str = pool.db.get("VM", vm)["uuid"]
            return uuid

    def add_sr(
        self,
        name: str,
        *,
        host: Host | None = None,
        shared: bool | None = None,
        type: str = "",  # noqa: A002  the field's name
        size: int = 4096 * _GIB,
    ) -> str:
        """Make a storage repository of `size` bytes that one host sees, or all of them; returns its uuid.

        Local to a host unless `shared`, and of the type `ext` unless given; without a host `shared` and `nfs`.
        One of the type `iso` holds discs, one of the type `udev` physical disks that nobody can snapshot.
        """
        together = host is None if shared is None else shared
        refs = [one.ref for one in self.hosts if host is None or one == host]
        kind = type or ("nfs" if together else "ext")
        with self._pool.db.change():
            ref = repository(self._pool.db, refs, name, kind, shared=together, size=size)
            uuid: str = self._pool.db.get("SR", ref)["uuid"]
            return uuid

    def add_network(self, name: str, device: str = "") -> str:
        """Make a network behind this card (`eth2`) of every host, or without a card one that leads nowhere.

        Returns its uuid.
        """
        db = self._pool.db
        with db.change():
            number = len(db.table("network"))
            ref = db.create("network", {"name_label": name, "bridge": f"xenbr{number}" if device else f"xapi{number}"})
            for place, host in enumerate(self.hosts if device else ()):
                card = host_records.Card(device, ref, management=False)
                host_records.add_card(db, host.ref, place, len(db.get("host", host.ref)["PIFs"]), card)
            uuid: str = db.get("network", ref)["uuid"]
            return uuid

    def leave_free(self, sr: str, count: int) -> None:
        """Let so many bytes of a repository (a uuid) be free, and no more, by making it larger or smaller."""
        db = self._pool.db
        with db.change():
            ref = db.by_uuid("SR", sr)
            db.set("SR", ref, physical_size=db.get("SR", ref)["physical_size"] - provisioning.free(db, ref) + count)

    def leave_memory(self, host: Host, count: int) -> None:
        """Let so many bytes of a host's memory be free, and no more, by giving it more or less."""
        db = self._pool.db
        with db.change():
            metrics = db.get("host", host.ref)["metrics"]
            taken = host_memory.taken(db, host.ref)
            db.set("host_metrics", metrics, memory_total=taken + count, memory_free=count)

    def add_iso(self, name: str, sr: str, *, size: int = 1 << 20) -> str:
        """Put a disc of `size` bytes into a repository of the type `iso`; returns the VDI's uuid."""
        db = self._pool.db
        with db.change():
            vdi = disc(self._pool, db.by_uuid("SR", sr), name, size)
            uuid: str = db.get("VDI", vdi)["uuid"]
            return uuid

    def add_user(self, name: str, password: str, role: Role) -> None:
        """Let somebody log in who is not root, as a user of a directory."""
        self._pool.users[name] = User(name, password, role)

    def move_coordinator(self, host: Host) -> None:
        """Put another host at the pool's head: every connection ends, sessions and tasks are gone, records stay."""
        self._fleet.move_coordinator(host)

    def host_down(self, host: Host) -> None:
        """Switch a host off: its connections end, new ones are refused, its tasks stay as they are."""
        self._fleet.down(host)

    def host_up(self, host: Host) -> None:
        """Switch a host on again; what it was doing is lost, and all sessions and tasks if it is the coordinator."""
        self._fleet.up(host)

    def restart_toolstack(self, host: Host | None = None) -> None:
        """Restart the xapi of a host, the coordinator's unless given: what it kept in memory is gone."""
        self._fleet.restart_toolstack(host or self.coordinator)

    def isolate(self, host: Host, code: str = "HOST_STILL_BOOTING", *params: str) -> None:
        """Put a member into emergency mode: it answers every call with this error until it rejoins."""
        self._fleet.isolate(host, code, params)

    def rejoin(self, host: Host) -> None:
        """End a member's emergency mode."""
        self._fleet.rejoin(host)

    def coalesce(self) -> int:
        """Coalesce the chains of all disks now; gives the number of base copies that are gone."""
        return self._pool.coalescer.run()

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
