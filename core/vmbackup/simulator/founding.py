"""The records of a new pool: its hosts, networks and storage repositories."""

import uuid as uuids
from collections.abc import Iterable, Sequence

from vmbackup.simulator import storage_plugins
from vmbackup.simulator.database import Database, Record
from vmbackup.simulator.disks import DiskSpec
from vmbackup.simulator.host_records import Card, add_host, settle_in
from vmbackup.simulator.pool import Pool
from vmbackup.simulator.restarts import forget_operations, live, release_disks

_GIB = 1 << 30


def found(pool: Pool, addresses: Sequence[str]) -> None:
    """Fill an empty database with a pool of a host for each address; the first is the coordinator."""
    db = pool.db
    with db.change():
        cards = [Card(f"eth{number}", _network(db, number), management=not number) for number in range(2)]
        hosts = [add_host(pool, number, address, cards) for number, address in enumerate(addresses)]
        for host in hosts:
            local = repository(db, [host], "Local storage", "ext", content="user", shared=False)
            db.set("host", host, suspend_image_sr=local, crash_dump_sr=local)
        shared = repository(db, hosts, "NFS storage", "nfs", content="user", shared=True)
        isos = repository(db, hosts, "XCP-ng Tools", "iso", content="iso", shared=True, is_tools_sr=True)
        _tools(pool, isos)
        storage_plugins.install(db)
        _pool(db, hosts[0], shared)
        db.create("secret", {"value": "simulated-secret-of-the-storage", "other_config": {}})


def recover(pool: Pool, addresses: Sequence[str]) -> None:
    """Do what a restart of the whole pool does: what was under way is gone, its disks are detached, all hosts live."""
    db = pool.db
    with db.change():
        for host, address in zip(db.table("host"), addresses, strict=True):
            release_disks(db, host)
            live(db, host, value=True)
            settle_in(pool, host, address)
        forget_operations(db, None)


def repository(
    db: Database, hosts: Iterable[str], name: str, kind: str, *, content: str, shared: bool, is_tools_sr: bool = False
) -> str:
    """Make a storage repository that the hosts see; returns its ref."""
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
    for host in hosts:
        db.create("PBD", {"host": host, "SR": ref, "device_config": config, "currently_attached": True})
    return ref


def _network(db: Database, number: int) -> str:
    name = f"Pool-wide network associated with eth{number}"
    return db.create("network", {"name_label": name, "bridge": f"xenbr{number}"})


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
