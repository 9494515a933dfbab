"""What may be done to a virtual interface, and the error when not (xapi_vif_helpers.ml)."""

from typing import Final

from vmbackup.simulator.database import Database
from vmbackup.simulator.errors import XapiError
from vmbackup.simulator.lifecycle import bad_power_state

_OPERATIONS: Final = ("attach", "plug", "unplug")


def refusal(db: Database, ref: str, operation: str) -> XapiError | None:
    """Give the reason against an operation on an interface, or None. Only a running guest with an agent hot-plugs."""
    interface = db.get("VIF", ref)
    vm = db.table("VM").get(interface["VM"])
    if operation == "attach" or vm is None:
        return None
    if vm["power_state"] != "Running":
        return bad_power_state(interface["VM"], ("Running",), vm["power_state"])
    if interface["currently_attached"] and operation == "plug":
        return XapiError("DEVICE_ALREADY_ATTACHED", ref)
    if not interface["currently_attached"] and operation == "unplug":
        return XapiError("DEVICE_ALREADY_DETACHED", ref)
    return (
        None if db.has("VM_guest_metrics", vm["guest_metrics"]) else XapiError("VM_MISSING_PV_DRIVERS", interface["VM"])
    )


def allowed(db: Database, ref: str) -> list[str]:
    """Compute `VIF.allowed_operations`."""
    return [operation for operation in _OPERATIONS if refusal(db, ref, operation) is None]
