"""How a backup is to come back, as somebody wishes, and what is to be done about it, as a plan. Frozen values."""

from dataclasses import dataclass
from typing import Literal

from vmbackup.images import Ova
from vmbackup.manifest import ImageDisk
from vmbackup.results import Backup, Failure
from vmbackup.xapi.surroundings import Neighbour, Network, Storage

Way = Literal["import", "disks", "machine", "disk"]


@dataclass(frozen=True, slots=True)
class Wishes:
    """How a backup is to come back; SRs and networks are wished for by name or UUID.

    `sr` is for all disks but those that `map_sr` names, as pairs of a disk or its old SR and the new SR; `map_network`
    are pairs of an old network and a new one. `preserve` is XAPI's `restore=true`: MACs and the archive's UUID stay.
    `disk` wants that disk alone, `vm` the VM that it is attached to. `force` sends what cannot be proven.
    """

    name: str | None = None
    sr: str | None = None
    map_sr: tuple[tuple[str, str], ...] = ()
    map_network: tuple[tuple[str, str], ...] = ()
    new_mac: bool = False
    preserve: bool = False
    tags: tuple[str, ...] = ()
    start: bool = False
    disk: str | None = None
    vm: str | None = None
    force: bool = False

    @property
    def alone(self) -> bool:
        """Whether a disk is wanted alone, without the VM around it; an empty name names none, but is one."""
        return self.disk is not None or self.vm is not None


@dataclass(frozen=True, slots=True)
class PlannedDisk:
    """A disk of the image and the SR that takes it."""

    disk: ImageDisk
    storage: Storage


@dataclass(frozen=True, slots=True)
class PlannedVIF:
    """A network interface by its device, the name of its old network, its new one, and its MAC, "" for a new one."""

    device: str
    was: str
    network: Network
    mac: str


@dataclass(frozen=True, slots=True)
class RestorePlan:
    """What a restore is going to do, and what is to be known before.

    `way` is how: "import" sends the image as it is to one SR; "disks" fills a VDI for each disk, and then brings the
    VM's records; "machine" makes a VM around the one disk of the image; "disk" fills one VDI, for the VM `host` if
    there is one. With `problems` it cannot be done; `warnings` may surprise.
    """

    backup: Backup
    ova: Ova
    way: Way
    name: str
    disks: tuple[PlannedDisk, ...]
    vifs: tuple[PlannedVIF, ...]
    host: Neighbour | None
    tags: tuple[str, ...]
    preserve: bool
    start: bool
    force: bool
    warnings: tuple[str, ...] = ()
    problems: tuple[Failure, ...] = ()
