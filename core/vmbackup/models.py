"""The pool's facts, frozen at the moment of the inventory: what selection, plan, methods and metadata are made from."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Pool:
    """A pool as its coordinator describes it; `version` is its xapi's "major.minor" where it tells."""

    ref: str
    uuid: str
    name: str
    coordinator: str
    product: str
    version: str
    default_sr: str


# LVM volumes are as large as the disk that they hold (sm: LVHDSR.py, thick provisioning).
THICK = frozenset({"lvm", "lvmoiscsi", "lvmohba", "lvmofcoe"})
# What a disk's name says where no backup of a whole VM should hold it; Xen Orchestra's users know the word.
NO_BACKUP = "[NOBAK]"


@dataclass(frozen=True, slots=True)
class SR:
    """A storage repository; `size` and `used` in bytes, as at its last scan; `size` is 0 where it does not tell.

    `snapshots` says whether its driver can snapshot disks; drives that are passed through cannot.
    """

    uuid: str
    name: str
    type: str
    size: int
    used: int
    snapshots: bool

    @property
    def free(self) -> int | None:
        """Bytes that are free, or None where nobody knows."""
        return self.size - self.used if self.size > 0 else None

    @property
    def thick(self) -> bool:
        """Whether a snapshot takes the whole virtual size of its disk at once."""
        return self.type in THICK


@dataclass(frozen=True, slots=True)
class Place:
    """An SR as a place for new disks.

    `library` says that it takes none of a VM, `hosts` which hosts have it attached; they and it by reference.
    """

    ref: str
    sr: SR
    library: bool
    hosts: frozenset[str]


@dataclass(frozen=True, slots=True)
class Disk:
    """A VDI and the VBD that links it to its VM; sizes in bytes.

    `position` is the VBD's userdevice as a number; `device` is what the guest calls it, or "" where it never ran;
    `snapshot_of` is the reference of the VDI that a snapshot was made from; `chain` counts the images that the storage
    reads the disk through, its own included; `shared` says that other VMs have it too, `raw` that it is no image with
    a chain but the bare volume, `reset_on_boot` that it is thrown back at every start of its VM.
    """

    ref: str
    uuid: str
    name: str
    description: str
    virtual_size: int
    physical_utilisation: int
    type: str
    sharable: bool
    read_only: bool
    sr: SR
    vbd_uuid: str
    position: int
    device: str
    bootable: bool
    mode: str
    unpluggable: bool
    tags: tuple[str, ...] = ()
    snapshot_of: str = ""
    chain: int = 1
    shared: bool = False
    raw: bool = False
    reset_on_boot: bool = False

    @property
    def unwanted(self) -> bool:
        """Whether its name asks for no backup."""
        return NO_BACKUP in self.name

    @property
    def can_be_snapshotted(self) -> bool:
        """Whether its storage can take a snapshot of it."""
        return self.sr.snapshots and not self.raw


@dataclass(frozen=True, slots=True)
class VIF:
    """A network interface of a VM; `device` is its number as text, `mtu` in bytes."""

    uuid: str
    device: str
    network: str
    mac: str
    mtu: int
    other_config: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class VM:
    """A virtual machine, or the snapshot of one; memory in bytes, disks ordered by position, CDs left out.

    `discs` are the names of the ISOs in its CD drives, `usb` says that USB devices are passed through to it, `secrets`
    what its metadata holds that opens doors: its UEFI variables ("NVRAM") and its virtual TPM ("vTPM").
    """

    ref: str
    uuid: str
    name: str
    description: str
    power_state: str
    tags: tuple[str, ...]
    memory: int
    vcpus_max: int
    vcpus_at_startup: int
    base_template: str
    os_version: str
    disks: tuple[Disk, ...]
    vifs: tuple[VIF, ...]
    discs: tuple[str, ...] = ()
    usb: bool = False
    secrets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Inventory:
    """The pool and its real VMs (no templates, snapshots or control domains) at one moment, in UTC.

    `copied` tells the copies that stand in the pool and are no VMs to back up: by which job, and of which VM (UUID).
    """

    pool: Pool
    vms: tuple[VM, ...]
    taken: datetime
    places: tuple[Place, ...] = ()
    copied: frozenset[tuple[str, str]] = frozenset()
