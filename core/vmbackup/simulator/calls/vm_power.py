"""Starting and stopping VMs (xapi_vm.ml), as far as a backup notices it."""

from typing import Final

from vmbackup.simulator import guest_agent
from vmbackup.simulator.calls.drives import assert_sharable
from vmbackup.simulator.calls.table import Context, Table
from vmbackup.simulator.errors import XapiError
from vmbackup.simulator.memory import discard_memory
from vmbackup.simulator.operations import holding
from vmbackup.simulator.placement import home
from vmbackup.simulator.pool import Pool
from vmbackup.simulator.schema import NULL

TABLE: Final = Table()


def power_on(pool: Pool, vm: str, host: str) -> None:
    """Attach what the VM has and give it a domain on a host."""
    db = pool.db
    with db.change():
        record = db.get("VM", vm)
        for vbd in record["VBDs"]:
            db.set("VBD", vbd, currently_attached=True)
        for vif in record["VIFs"]:
            db.set("VIF", vif, currently_attached=True)
        if not db.has("VM_metrics", record["metrics"]):
            db.set("VM", vm, metrics=db.create("VM_metrics", {"memory_actual": record["memory_static_max"]}))
        if record["power_state"] == "Halted":  # a clone has what the guest of its source reported
            guest_agent.forget(db, vm)
        domain = 1 + max((one["domid"] for one in db.table("VM").values()), default=0)
        db.set("VM_metrics", record["metrics"], start_time=pool.clock.now(), state=["running"])
        db.set("VM", vm, power_state="Running", resident_on=host, domid=domain)


def boot_unless_up(pool: Pool, vm: str) -> None:
    """Begin to boot a VM whose guest is not up already."""
    if not guest_agent.is_up(pool.db, vm):
        guest_agent.boot(pool, vm)


def power_off(pool: Pool, vm: str) -> None:
    """Detach everything and leave the VM halted."""
    db = pool.db
    with db.change():
        record = db.get("VM", vm)
        for vbd in record["VBDs"]:
            db.set("VBD", vbd, currently_attached=False)
        for vif in record["VIFs"]:
            db.set("VIF", vif, currently_attached=False)
        db.set("VM", vm, power_state="Halted", resident_on=NULL, domid=-1)


@TABLE.call("VM.start", "VM ref", "bool", "bool", asynchronous=True)
def start(context: Context, vm: str, paused: bool, _force: bool) -> None:  # noqa: FBT001  the wire's own parameters
    """Start a halted VM."""
    db = context.pool.db
    with holding(context.pool, context.task, "VM", vm, "start"), db.change():
        for vbd in db.get("VM", vm)["VBDs"]:
            drive = db.get("VBD", vbd)
            if not drive["empty"]:
                assert_sharable(db, drive)
        power_on(context.pool, vm, home(db, vm))
        if paused:
            db.set("VM", vm, power_state="Paused")
        else:
            guest_agent.boot(context.pool, vm)


@TABLE.call("VM.unpause", "VM ref", asynchronous=True)
def unpause(context: Context, vm: str) -> None:
    """Let a paused VM run."""
    with holding(context.pool, context.task, "VM", vm, "unpause"), context.pool.db.change():
        context.pool.db.set("VM", vm, power_state="Running")
        boot_unless_up(context.pool, vm)


@TABLE.call("VM.clean_shutdown", "VM ref", asynchronous=True)
def clean_shutdown(context: Context, vm: str) -> None:
    """Ask the guest to shut down; simulated guests obey at once."""
    with holding(context.pool, context.task, "VM", vm, "clean_shutdown"):
        guest_agent.leave(context.pool, vm)
        power_off(context.pool, vm)


@TABLE.call("VM.hard_shutdown", "VM ref", asynchronous=True)
def hard_shutdown(context: Context, vm: str) -> None:
    """Pull the plug."""
    with holding(context.pool, context.task, "VM", vm, "hard_shutdown"):
        guest_agent.leave(context.pool, vm)
        power_off(context.pool, vm)
        discard_memory(context.pool, vm)


@TABLE.call("VM.shutdown", "VM ref", asynchronous=True)
def shutdown(context: Context, vm: str) -> None:
    """Ask the guest to shut down, and pull the plug when that cannot be."""
    try:
        clean_shutdown(context, vm)
    except XapiError:
        hard_shutdown(context, vm)
