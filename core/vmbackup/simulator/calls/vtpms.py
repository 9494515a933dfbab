"""Calls on the TPM of a VM (xapi_vtpm.ml)."""

from typing import Final

from vmbackup.simulator import chips
from vmbackup.simulator.calls.table import Context, Table
from vmbackup.simulator.lifecycle import bad_power_state
from vmbackup.simulator.operations import holding

TABLE: Final = Table()


@TABLE.call("VTPM.create", "VM ref", "bool", result="VTPM ref", asynchronous=True)
def create(context: Context, vm: str, is_unique: bool) -> str:  # noqa: FBT001  the wire's own parameter
    """Give a halted VM an empty TPM."""
    with holding(context.pool, context.task, "VM", vm, "create_vtpm"):
        return chips.make(context.pool.db, vm, "", {"is_unique": is_unique})


@TABLE.call("VTPM.destroy", "VTPM ref", asynchronous=True)
def destroy(context: Context, chip: str) -> None:
    """Take the TPM of a halted VM away, and what is in it."""
    db = context.pool.db
    with db.change():
        vm = db.get("VTPM", chip)["VM"]
        state = db.get("VM", vm)["power_state"]
        if state != "Halted":
            raise bad_power_state(vm, ("Halted",), state)
        chips.remove(db, chip)
