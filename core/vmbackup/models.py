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


@dataclass(frozen=True, slots=True)
class Disk:
    """A VDI and the VBD that links it to its VM; sizes in bytes.

    `position` is the VBD's userdevice as a number; `device` is what the guest calls it, or "" where it never ran;
    `snapshot_of` is the reference of the VDI that a snapshot was made from.
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
    sr_uuid: str
    vbd_uuid: str
    position: int
    device: str
    bootable: bool
    mode: str
    unpluggable: bool
    tags: tuple[str, ...] = ()
    snapshot_of: str = ""


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
    """A virtual machine, or the snapshot of one; memory in bytes, disks ordered by position, CDs left out."""

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


@dataclass(frozen=True, slots=True)
class Inventory:
    """The pool and its real VMs (no templates, snapshots or control domains) at one moment, in UTC."""

    pool: Pool
    vms: tuple[VM, ...]
    taken: datetime
