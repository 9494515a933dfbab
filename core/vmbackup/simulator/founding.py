"""The records of a new pool: its host, control domain, networks and storage repositories."""

import uuid as uuids

from vmbackup.simulator.clock import now
from vmbackup.simulator.database import Database, Record
from vmbackup.simulator.disks import DiskSpec
from vmbackup.simulator.pool import Pool
from vmbackup.simulator.schema import NULL
from vmbackup.simulator.version import API_VERSION, SOFTWARE

_GIB = 1 << 30


def found(pool: Pool) -> None:
    """Fill an empty database with a pool of one host."""
    db = pool.db
    with db.change():
        host = _host(db)
        local = repository(db, host, "Local storage", "ext", content="user", shared=False)
        shared = repository(db, host, "NFS storage", "nfs", content="user", shared=True)
        isos = repository(db, host, "XCP-ng Tools", "iso", content="iso", shared=True, is_tools_sr=True)
        _network(db, host, "Pool-wide network associated with eth0", "xenbr0", "eth0")
        _network(db, host, "Pool-wide network associated with eth1", "xenbr1", "eth1")
        _tools(pool, isos)
        _pool(db, host, shared)
        db.create("secret", {"value": "simulated-secret-of-the-storage", "other_config": {}})
        db.set("host", host, suspend_image_sr=local, crash_dump_sr=local)


def recover(pool: Pool) -> None:
    """Do what a restart of the coordinator does: what was under way is gone, and its disks are detached."""
    db = pool.db
    with db.change():
        for vbd in list(db.get("VM", pool.control_domain)["VBDs"]):
            db.delete("VBD", vbd)
        for cls in ("VM", "VDI", "SR"):
            for ref in list(db.table(cls)):
                db.set(cls, ref, current_operations={})


def _host(db: Database) -> str:
    metrics = db.create("host_metrics", {"memory_total": 64 * _GIB, "live": True, "last_updated": now()})
    major, minor = API_VERSION
    host = db.create(
        "host",
        {
            "name_label": "xcp-simulated",
            "name_description": "Simulated host",
            "API_version_major": major,
            "API_version_minor": minor,
            "API_version_vendor": "XenSource",
            "enabled": True,
            "software_version": SOFTWARE,
            "capabilities": ["xen-3.0-x86_64", "hvm-3.0-x86_32", "hvm-3.0-x86_64"],
            "sched_policy": "credit",
            "cpu_info": {"cpu_count": "8", "socket_count": "1", "vendor": "GenuineIntel"},
            "hostname": "xcp-simulated",
            "address": "127.0.0.1",
            "metrics": metrics,
            "edition": "xcp-ng",
            "ssl_legacy": False,
            "tls_verification_enabled": True,
        },
    )
    domain = db.create(
        "VM",
        {
            "name_label": "Control domain on host: xcp-simulated",
            "name_description": "The domain which manages physical devices and manages other domains",
            "power_state": "Running",
            "is_control_domain": True,
            "resident_on": host,
            "affinity": host,
            "memory_static_max": 4 * _GIB,
            "memory_dynamic_max": 4 * _GIB,
            "memory_dynamic_min": 4 * _GIB,
            "memory_static_min": 4 * _GIB,
            "VCPUs_max": 8,
            "VCPUs_at_startup": 8,
            "domid": 0,
            "domain_type": "pv",
            "metrics": db.create("VM_metrics", {"state": ["running"], "start_time": now()}),
        },
    )
    db.set("host", host, control_domain=domain)
    return host


def repository(
    db: Database, host: str, name: str, kind: str, *, content: str, shared: bool, is_tools_sr: bool = False
) -> str:
    """Make a storage repository that the host sees; returns its ref."""
    ref = db.create(
        "SR",
        {
            "name_label": name,
            "type": kind,
            "content_type": content,
            "shared": shared,
            "physical_size": 4096 * _GIB,
            "is_tools_sr": is_tools_sr,
            "other_config": {"auto-scan": "true"},
        },
    )
    config = {"server": "nas.example.edu", "serverpath": "/vms"} if kind == "nfs" else {"location": f"/{kind}"}
    db.create("PBD", {"host": host, "SR": ref, "device_config": config, "currently_attached": True})
    return ref


def _network(db: Database, host: str, name: str, bridge: str, device: str) -> None:
    network = db.create("network", {"name_label": name, "bridge": bridge})
    number = int(device[-1])
    db.create(
        "PIF",
        {
            "device": device,
            "network": network,
            "host": host,
            "MAC": f"52:54:00:12:34:0{number}",
            "MTU": 1500,
            "VLAN": -1,
            "metrics": NULL,
            "physical": True,
            "ip_configuration_mode": "None" if number else "Static",
            "IP": "" if number else "127.0.0.1",
            "netmask": "" if number else "255.0.0.0",
            "management": not number,
        },
    )


def _tools(pool: Pool, isos: str) -> None:
    uuid = str(uuids.uuid4())
    size = 1 << 20
    pool.disks.make(uuid, DiskSpec(size, seed=1))
    fields: Record = {
        "uuid": uuid,
        "name_label": "guest-tools.iso",
        "name_description": "XCP-ng guest tools",
        "SR": isos,
        "virtual_size": size,
        "physical_utilisation": size,
        "type": "user",
        "read_only": True,
        "sharable": True,
        "location": "guest-tools.iso",
        "managed": True,
        "is_tools_iso": True,
    }
    pool.db.create("VDI", fields)


def _pool(db: Database, host: str, default: str) -> None:
    free = ("restrict_cbt", "restrict_zstd_export", "restrict_checkpoint", "restrict_vtpm", "restrict_rbac")
    db.create(
        "pool",
        {
            "name_label": "simulated pool",
            "master": host,
            "default_SR": default,
            "suspend_image_SR": default,
            "crash_dump_SR": default,
            "restrictions": dict.fromkeys(free, "false"),
            "tls_verification_enabled": True,
        },
    )
