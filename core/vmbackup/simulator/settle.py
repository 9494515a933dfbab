"""Keeps what follows from other fields true: every `allowed_operations`, and the memory of hosts that is free."""

from collections.abc import Callable

from vmbackup.simulator import host_memory, interface_rules, lifecycle, storage_rules
from vmbackup.simulator.database import Database, Touched

_RULES: dict[str, Callable[[Database, str], list[str]]] = {
    "VM": lifecycle.allowed,
    "VDI": storage_rules.allowed_on_disk,
    "VBD": storage_rules.allowed_on_drive,
    "VIF": interface_rules.allowed,
    "SR": storage_rules.allowed_on_repository,
    "task": lambda db, ref: ["cancel"] if db.get("task", ref)["status"] == "pending" else [],
}


def settle(db: Database, touched: Touched) -> None:
    """Recompute the allowed operations of a change's objects and their neighbours, and memory if VMs changed."""
    for cls, ref in _neighbours(db, touched):
        rule = _RULES.get(cls)
        if rule is not None and db.has(cls, ref):
            db.set(cls, ref, allowed_operations=rule(db, ref))
    if any(cls == "VM" for cls, _ in touched):
        _count_memory(db, touched)


def _count_memory(db: Database, touched: Touched) -> None:
    for cls, ref in touched:
        if cls == "VM" and db.has(cls, ref):
            db.set(cls, ref, memory_overhead=host_memory.overhead(db.get(cls, ref)))
    for host, record in db.table("host").items():
        db.set("host_metrics", record["metrics"], memory_free=host_memory.free(db, host))


def _neighbours(db: Database, touched: Touched) -> set[tuple[str, str]]:
    found = set(touched)
    for cls, ref in touched:
        record = db.table(cls).get(ref)
        if record is None:
            continue
        if cls == "VM":
            found.update(("VBD", vbd) for vbd in record["VBDs"])
            found.update(("VIF", vif) for vif in record["VIFs"])
        elif cls == "VBD":
            found.update({("VM", record["VM"]), ("VDI", record["VDI"])})
        elif cls == "VDI":
            found.update(("VM", db.get("VBD", vbd)["VM"]) for vbd in record["VBDs"])
        elif cls == "VM_guest_metrics":
            found.update(("VM", vm) for vm in db.find("VM", guest_metrics=ref))
        elif cls == "VM_metrics":
            found.update(("VM", vm) for vm in db.find("VM", metrics=ref))
        elif cls == "pool":  # an upgrade that is under way forbids operations on every VM
            found.update(("VM", vm) for vm in db.table("VM"))
    return found
