"""The memory of hosts and what VMs take of it (memory_check.ml, xenopsd's memory.ml)."""

from math import ceil

from vmbackup.simulator.database import Database, Record

_MIB = 1 << 20
_FOR_DEVICES = 2  # MiB beside the shadow of a guest's memory
_PAGES = 256  # in a MiB, and so many for each VCPU
_FOR_A_PV_GUEST = 1  # MiB


def overhead(vm: Record) -> int:
    """Compute the bytes that a VM takes beside its guest's memory."""
    if vm["domain_type"] == "pv":
        return _FOR_A_PV_GUEST * _MIB
    pages = vm["VCPUs_max"] * _PAGES + 2 * ceil(vm["memory_static_max"] / _MIB)
    shadow: int = max(1, ceil(vm["HVM_shadow_multiplier"] * pages / _PAGES))
    return (_FOR_DEVICES + shadow) * _MIB


def needed(vm: Record) -> int:
    """Compute the bytes that a host must have free for a VM to start."""
    return int(vm["memory_dynamic_min"]) + overhead(vm)


def free(db: Database, host: str) -> int:
    """Compute the bytes of a host that are free."""
    total = db.get("host_metrics", db.get("host", host)["metrics"])["memory_total"]
    return max(0, int(total) - taken(db, host))


def taken(db: Database, host: str) -> int:
    """Compute the bytes that a host and its VMs take, the control domain among them."""
    record = db.get("host", host)
    return int(record["memory_overhead"]) + sum(needed(db.get("VM", vm)) for vm in record["resident_VMs"])
