"""Which hosts can run a VM, and the one where it starts (xapi_vm_helpers.ml)."""

from vmbackup.simulator import host_memory
from vmbackup.simulator.database import Database
from vmbackup.simulator.errors import XapiError
from vmbackup.simulator.visibility import hosts_seeing, is_live, repositories


def unsuitable(db: Database, vm: str, host: str) -> XapiError | None:
    """Give what keeps a host from ever running a VM, whatever memory is free, or None."""
    if not is_live(db, host):
        return XapiError("HOST_NOT_LIVE")
    if not db.get("host", host)["enabled"]:
        return XapiError("HOST_DISABLED", host)
    for repository in sorted(repositories(db, vm)):
        if host not in hosts_seeing(db, [repository]):
            return XapiError("VM_REQUIRES_SR", vm, repository)
    for vif in db.get("VM", vm)["VIFs"]:
        network = db.get("VIF", vif)["network"]
        if db.has("network", network) and not _reaches(db, vm, host, network):
            return XapiError("VM_REQUIRES_NETWORK", vm, network)
    return None


def shortage(db: Database, vm: str, host: str) -> XapiError | None:
    """Give `HOST_NOT_ENOUGH_FREE_MEMORY [needed; available]` when a VM does not fit into a host now, or None."""
    needed, available = host_memory.needed(db.get("VM", vm)), host_memory.free(db, host)
    return XapiError("HOST_NOT_ENOUGH_FREE_MEMORY", str(needed), str(available)) if needed > available else None


def assert_can_run(db: Database, vm: str, host: str) -> None:
    """Raise XapiError: the first reason why a host cannot run a VM now. `HANDLE_INVALID` for no such host."""
    db.get("host", host)
    if error := unsuitable(db, vm, host) or shortage(db, vm, host):
        raise error


def possible(db: Database, vm: str) -> list[str]:
    """Give the hosts that can run a VM now."""
    return [host for host in suitable(db, vm) if shortage(db, vm, host) is None]


def suitable(db: Database, vm: str) -> list[str]:
    """Give the hosts that could run a VM if they had the memory, the one where it wants to be first."""
    hosts = [host for host in db.table("host") if unsuitable(db, vm, host) is None]
    wish = db.get("VM", vm)["affinity"]
    return sorted(hosts, key=lambda host: host != wish)


def home(db: Database, vm: str) -> str:
    """Choose where a VM starts. Raises XapiError `NO_HOSTS_AVAILABLE` or `HOST_NOT_ENOUGH_FREE_MEMORY`."""
    hosts = suitable(db, vm)
    if not hosts:
        raise XapiError("NO_HOSTS_AVAILABLE")
    with_room = [host for host in hosts if shortage(db, vm, host) is None]
    host = (with_room or hosts)[0]
    if error := shortage(db, vm, host):
        raise error
    return host


def _reaches(db: Database, vm: str, host: str, network: str) -> bool:
    """Say whether a host has a card of a network; one that leads nowhere is where the first VM on it runs."""
    record = db.get("network", network)
    if record["PIFs"]:
        return any(db.get("PIF", pif)["host"] == host for pif in record["PIFs"])
    plugged = [one for one in (db.get("VIF", vif) for vif in record["VIFs"]) if one["currently_attached"]]
    runs_on = {db.get("VM", one["VM"])["resident_on"] for one in plugged if one["VM"] != vm}
    return not (runs_on & db.table("host").keys() - {host})
