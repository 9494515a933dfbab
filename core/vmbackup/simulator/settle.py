"""Keeps every `allowed_operations` true: recomputed for whatever a change touched or could have influenced."""

from collections.abc import Callable

from vmbackup.simulator import interface_rules, lifecycle, storage_rules
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
    """Recompute the allowed operations of the objects of a change and of their neighbours."""
    for cls, ref in _neighbours(db, touched):
        rule = _RULES.get(cls)
        if rule is not None and db.has(cls, ref):
            db.set(cls, ref, allowed_operations=rule(db, ref))


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
