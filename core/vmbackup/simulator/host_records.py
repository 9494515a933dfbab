"""A host's records: the host, its control domain and its network cards (create_misc.ml, dbsync_slave.ml)."""

from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

from vmbackup.simulator import certificate
from vmbackup.simulator.clock import written
from vmbackup.simulator.database import Database, Record
from vmbackup.simulator.pool import Pool
from vmbackup.simulator.profiles import Profile
from vmbackup.simulator.schema import NULL

_GIB = 1 << 30
_NAME = "xcp-simulated"


@dataclass(frozen=True, slots=True)
class Card:
    """A network card that every host has: its device and the network behind it; the first one is the management's."""

    device: str
    network: str
    management: bool


def add_host(pool: Pool, number: int, address: str, cards: list[Card]) -> str:
    """Make the records of a host; `number` counts from 0. Returns the host's ref."""
    db, now = pool.db, pool.clock.now()
    name = _NAME if not number else f"{_NAME}-{number + 1}"
    host = db.create(
        "host",
        {
            "name_label": name,
            "name_description": "Simulated host",
            **_versions(pool.settings.profile),
            "API_version_vendor": "XenSource",
            "API_version_vendor_implementation": {},
            "enabled": True,
            "allowed_operations": ["provision", "evacuate", "vm_start", "vm_resume", "vm_migrate"],
            "capabilities": ["xen-3.0-x86_64", "hvm-3.0-x86_32", "hvm-3.0-x86_64"],
            "cpu_configuration": {},
            "sched_policy": "credit",
            "supported_bootloaders": ["pygrub", "eliloader"],
            "cpu_info": {"cpu_count": "8", "socket_count": "1", "vendor": "GenuineIntel", "modelname": "Simulated CPU"},
            "hostname": name,
            "address": address,
            "metrics": db.create("host_metrics", {"memory_total": 64 * _GIB, "live": True, "last_updated": now}),
            "edition": "xcp-ng",
            "license_params": {"restrict_cbt": "false", "restrict_zstd_export": "false", "expiry": "never"},
            "bios_strings": {"system-manufacturer": "Simulated", "system-product-name": "Host"},
            "chipset_info": {"iommu": "true"},
            "other_config": {"agent_start_time": f"{pool.clock.seconds():.0f}.", "iscsi_iqn": _iqn(number)},
            "iscsi_iqn": _iqn(number),
            "ssl_legacy": False,
            "tls_verification_enabled": True,
        },
    )
    domain = db.create("VM", _control_domain(db, host, name, now))
    db.set("host", host, control_domain=domain)
    for place, card in enumerate(cards):
        add_card(db, host, number, place, card)
    return host


def _iqn(number: int) -> str:
    return f"iqn.2026-01.org.example:host{number + 1}"


def _versions(profile: Profile) -> Record:
    major, minor = profile.api_version
    return {"API_version_major": major, "API_version_minor": minor, "software_version": dict(profile.software)}


def _control_domain(db: Database, host: str, name: str, now: str) -> Record:
    memory = ("memory_static_max", "memory_dynamic_max", "memory_dynamic_min", "memory_static_min")
    return {
        "name_label": f"Control domain on host: {name}",
        "name_description": "The domain which manages physical devices and manages other domains",
        "power_state": "Running",
        "is_control_domain": True,
        "resident_on": host,
        "affinity": host,
        **dict.fromkeys(memory, 4 * _GIB),
        "VCPUs_max": 8,
        "VCPUs_at_startup": 8,
        "domid": 0,
        "domain_type": "pv",
        "metrics": db.create("VM_metrics", {"state": ["running"], "start_time": now}),
    }


def add_card(db: Database, host: str, number: int, place: int, card: Card) -> None:
    """Give a host a network card (a PIF); `number` is that of the host, `place` that of its card, both from 0."""
    db.create(
        "PIF",
        {
            "device": card.device,
            "network": card.network,
            "host": host,
            "MAC": f"52:54:00:12:{0x34 + number:02x}:{place:02x}",
            "MTU": 1500,
            "VLAN": -1,
            "metrics": NULL,
            "physical": True,
            "ip_configuration_mode": "Static" if card.management else "None",
            "IP": db.get("host", host)["address"] if card.management else "",
            "netmask": "255.0.0.0" if card.management else "",
            "management": card.management,
        },
    )


def settle_in(pool: Pool, host: str, address: str) -> None:
    """Give a host of an earlier time the address and the versions of now."""
    db = pool.db
    with db.change():
        db.set("host", host, address=address, **_versions(pool.settings.profile))
        for pif in db.get("host", host)["PIFs"]:
            if db.get("PIF", pif)["management"]:
                db.set("PIF", pif, IP=address)


def show_certificate(pool: Pool, host: str, pem: Path) -> None:
    """Have the pool list a host's certificate, and no earlier one of it."""
    db = pool.db
    fingerprint = certificate.fingerprint(pem)
    start, end = (written(instant) for instant in certificate.validity(pem))
    facts = {"type": "host", "host": host, "fingerprint": fingerprint, "not_before": start, "not_after": end}
    with db.change():
        known = {ref: db.get("Certificate", ref)["fingerprint"] for ref in db.find("Certificate", host=host)}
        for ref, former in known.items():
            if former != fingerprint:
                db.delete("Certificate", ref)
        if fingerprint not in known.values():
            db.create("Certificate", facts)


def addresses(first: str, count: int) -> list[str]:
    """Give the addresses of hosts: the first and those that follow it. Raises ValueError when they cannot follow."""
    if count == 1:
        return [first]
    start = IPv4Address(first)
    if not start.is_loopback:
        raise ValueError("several hosts need loopback addresses of their own")
    return [str(start + number) for number in range(count)]
