"""Which hosts see which storage: by attached PBDs, on hosts that live (xapi_vm_helpers.ml, message_forwarding.ml)."""

import random
from collections.abc import Iterable

from vmbackup.simulator.database import Database
from vmbackup.simulator.errors import XapiError
from vmbackup.simulator.pool import Pool

_ANY = random.SystemRandom()


def is_live(db: Database, host: str) -> bool:
    """Say whether a host's heartbeat is heard."""
    record = db.table("host").get(host)
    metrics = db.table("host_metrics").get(record["metrics"]) if record else None
    return metrics is not None and bool(metrics["live"])


def repositories(db: Database, vm: str) -> set[str]:
    """Give the repositories of all VDIs of a VM: of its drives, an inserted ISO's too, and of its memory image."""
    with db.changed:
        record = db.get("VM", vm)
        disks = {db.get("VBD", vbd)["VDI"] for vbd in record["VBDs"]} | {record["suspend_VDI"]}
        return {db.get("VDI", vdi)["SR"] for vdi in disks if db.has("VDI", vdi)}


def hosts_seeing(db: Database, wanted: Iterable[str]) -> list[str]:
    """Give the live hosts with an attached PBD of each of the repositories, in order of creation."""
    with db.changed:
        plugged = [
            {pbd["host"] for pbd in db.table("PBD").values() if pbd["SR"] == one and pbd["currently_attached"]}
            for one in wanted
        ]
        return [host for host in db.table("host") if is_live(db, host) and all(host in hosts for hosts in plugged)]


def any_seeing(db: Database, wanted: Iterable[str]) -> str:
    """Choose one of the hosts that see all the repositories. Raises XapiError `NO_HOSTS_AVAILABLE`."""
    if hosts := hosts_seeing(db, wanted):
        return _ANY.choice(hosts)
    raise XapiError("NO_HOSTS_AVAILABLE")


def unreachable(pool: Pool, repository: str) -> XapiError | None:
    """Give what keeps a storage operation from being forwarded to a host, or None.

    A shared repository is worked on by the coordinator, another by the host that has it: `SR_HAS_NO_PBDS [sr]` when
    that is nobody, `HOST_OFFLINE [host]` when it does not live.
    """
    db = pool.db
    with db.changed:
        pbds = [db.get("PBD", pbd) for pbd in db.get("SR", repository)["PBDs"]]
        hosts = [pbd["host"] for pbd in pbds if pbd["currently_attached"]]
        if db.get("SR", repository)["shared"]:
            hosts = [host for host in hosts if host == pool.record["master"]]
        if not hosts:
            return XapiError("SR_HAS_NO_PBDS", repository)
        return None if is_live(db, hosts[0]) else XapiError("HOST_OFFLINE", hosts[0])
