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
_CONTENTS = {"iso": "iso", "udev": "disk"}


def found(pool: Pool, addresses: Sequence[str]) -> None:
    """Fill an empty database with a pool of a host for each address; the first is the coordinator."""
    db = pool.db
    with db.change():
        cards = [Card(f"eth{number}", _network(db, number), management=not number) for number in range(2)]
        hosts = [add_host(pool, number, address, cards) for number, address in enumerate(addresses)]
        for host in hosts:
            local = repository(db, [host], "Local storage", "ext", shared=False)
            db.set("host", host, suspend_image_sr=local, crash_dump_sr=local)
        shared = repository(db, hosts, "NFS storage", "nfs", shared=True)
        isos = repository(db, hosts, "XCP-ng Tools", "iso", shared=True, is_tools_sr=True)
        disc(pool, isos, "guest-tools.iso", 1 << 20, description="XCP-ng guest tools", is_tools_iso=True)
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
    db: Database,
    hosts: Iterable[str],
    name: str,
    kind: str,
    *,
    shared: bool,
    size: int = 4096 * _GIB,
    is_tools_sr: bool = False,
) -> str:
    """Make a storage repository of `size` bytes that the hosts see; its contents follow from its type.

    Returns its ref.
    """
    ref = db.create(
        "SR",
        {
            "name_label": name,
            "type": kind,
            "content_type": _CONTENTS.get(kind, "user"),
            "shared": shared,
            "physical_size": size,
            "is_tools_sr": is_tools_sr,
            "other_config": {"auto-scan": "true"},
        },
    )
    config = {"server": "nas.example.edu", "serverpath": "/vms"} if kind == "nfs" else {"location": f"/{kind}"}
    for host in hosts:
        db.create("PBD", {"host": host, "SR": ref, "device_config": config, "currently_attached": True})
    return ref


def disc(
    pool: Pool, repository: str, name: str, size: int, *, description: str = "", is_tools_iso: bool = False
) -> str:
    """Put an ISO of `size` bytes into a repository; returns the VDI's ref."""
    uuid = str(uuids.uuid4())
    pool.disks.make(uuid, DiskSpec(size, seed=1))
    fields: Record = {
        "uuid": uuid,
        "name_label": name,
        "name_description": description,
        "SR": repository,
        "virtual_size": size,
        "physical_utilisation": size,
        "type": "user",
        "read_only": True,
        "sharable": True,
        "location": name,
        "managed": True,
        "is_tools_iso": is_tools_iso,
    }
    return pool.db.create("VDI", fields)


def _network(db: Database, number: int) -> str:
    name = f"Pool-wide network associated with eth{number}"
    return db.create("network", {"name_label": name, "bridge": f"xenbr{number}"})


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
