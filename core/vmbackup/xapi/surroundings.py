"""What of a pool a restore has to do with: storage, networks, hosts, and the VMs that are there already."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from vmbackup.models import SR
from vmbackup.xapi.inventory import LIBRARIES, is_real, position_of, read_sr
from vmbackup.xapi.session import Session
from vmbackup.xapi.wire import Record, mapping, number, text, texts

CLASSES = ("pool", "host", "host_metrics", "SR", "SM", "network", "VM", "VBD", "VIF")


@dataclass(frozen=True, slots=True)
class Storage:
    """An SR by its reference; `library` says that it takes no disk of a VM."""

    ref: str
    sr: SR
    library: bool


@dataclass(frozen=True, slots=True)
class Network:
    """A network by its reference; `wired` says that a host's interface, and so the world, is on it."""

    ref: str
    uuid: str
    name: str
    bridge: str
    wired: bool


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A VM of the pool, by what may be in the way of another: name, MACs, the places of its disks."""

    ref: str
    uuid: str
    name: str
    power_state: str
    macs: frozenset[str]
    mac_seed: str
    positions: frozenset[int]


@dataclass(frozen=True, slots=True)
class Host:
    """A host; `memory` in bytes, `xapi` and `platform` the numbers of those versions, empty where it does not tell."""

    name: str
    cpus: int
    vendor: str
    memory: int
    xapi: tuple[int, ...]
    platform: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The pool at one moment; `default_sr` is a reference, which may be of nothing."""

    default_sr: str
    storage: tuple[Storage, ...]
    networks: tuple[Network, ...]
    neighbours: tuple[Neighbour, ...]
    hosts: tuple[Host, ...]


def read_surroundings(session: Session) -> Surroundings:
    """Ask the pool: one call a class."""
    return survey({name: session.records(name) for name in CLASSES})


def survey(tables: Mapping[str, Mapping[str, Record]]) -> Surroundings:
    """Put the records of the classes together; pure."""
    (pool,) = tables["pool"].values()
    return Surroundings(
        default_sr=text(pool, "default_SR"),
        storage=tuple(
            Storage(ref, read_sr(record, tables), text(record, "content_type") in LIBRARIES)
            for ref, record in tables["SR"].items()
        ),
        networks=tuple(
            Network(
                ref,
                text(record, "uuid"),
                text(record, "name_label"),
                text(record, "bridge"),
                bool(texts(record, "PIFs")),
            )
            for ref, record in tables["network"].items()
        ),
        neighbours=tuple(_neighbour(ref, record, tables) for ref, record in tables["VM"].items() if is_real(record)),
        hosts=tuple(_host(record, tables) for record in tables["host"].values()),
    )


def _neighbour(ref: str, vm: Record, tables: Mapping[str, Mapping[str, Record]]) -> Neighbour:
    vifs = (tables["VIF"].get(vif, {}) for vif in texts(vm, "VIFs"))
    vbds = (tables["VBD"].get(vbd, {}) for vbd in texts(vm, "VBDs"))
    return Neighbour(
        ref=ref,
        uuid=text(vm, "uuid"),
        name=text(vm, "name_label"),
        power_state=text(vm, "power_state"),
        macs=frozenset(text(vif, "MAC").lower() for vif in vifs) - {""},
        mac_seed=mapping(vm, "other_config").get("mac_seed", ""),
        positions=frozenset(position_of(text(vbd, "userdevice")) for vbd in vbds),
    )


def _host(host: Record, tables: Mapping[str, Mapping[str, Record]]) -> Host:
    versions, cpu = mapping(host, "software_version"), mapping(host, "cpu_info")
    cpus = cpu.get("cpu_count", "")
    return Host(
        name=text(host, "name_label"),
        cpus=int(cpus) if cpus.isdecimal() else 0,
        vendor=cpu.get("vendor", ""),
        memory=number(tables["host_metrics"].get(text(host, "metrics"), {}), "memory_total"),
        xapi=_numbers(versions.get("xapi", "")),
        platform=_numbers(versions.get("platform_version", "")),
    )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"[0-9]{1,9}", version)[:3])
