"""Calls that take a VM from one power state or host to another, those of `vm_power` excepted (xapi_vm.ml)."""

from typing import Final

from vmbackup.simulator import guest_agent
from vmbackup.simulator.calls.drives import assert_sharable
from vmbackup.simulator.calls.table import Context, Table
from vmbackup.simulator.calls.vm_power import boot_unless_up, power_off, power_on
from vmbackup.simulator.memory import discard_memory, save_memory
from vmbackup.simulator.operations import holding
from vmbackup.simulator.placement import assert_can_run, home
from vmbackup.simulator.pool import Pool

TABLE: Final = Table()


@TABLE.call("VM.start_on", "VM ref", "host ref", "bool", "bool", asynchronous=True)
def start_on(context: Context, vm: str, host: str, paused: bool, _force: bool) -> None:  # noqa: FBT001  the wire's own
    """Start a halted VM on a certain host."""
    db = context.pool.db
    assert_can_run(db, vm, host)
    with holding(context.pool, context.task, "VM", vm, "start_on"), db.change():
        for vbd in db.get("VM", vm)["VBDs"]:
            if not db.get("VBD", vbd)["empty"]:
                assert_sharable(db, db.get("VBD", vbd))
        power_on(context.pool, vm, host)
        db.set("VM", vm, power_state="Paused" if paused else "Running")
        if not paused:
            guest_agent.boot(context.pool, vm)


@TABLE.call("VM.pause", "VM ref", asynchronous=True)
def pause(context: Context, vm: str) -> None:
    """Stop a running VM where it is."""
    with holding(context.pool, context.task, "VM", vm, "pause"):
        context.pool.db.set("VM", vm, power_state="Paused")


def put_to_sleep(pool: Pool, vm: str) -> None:
    """Save a running VM's memory on storage and leave it suspended. Raises XapiError `VM_NO_SUSPEND_SR [vm]`."""
    image = save_memory(pool, vm)
    with pool.db.change():
        power_off(pool, vm)
        pool.db.set("VM", vm, power_state="Suspended", suspend_VDI=image)


@TABLE.call("VM.suspend", "VM ref", asynchronous=True)
def suspend(context: Context, vm: str) -> None:
    """Save a VM's memory and take it off its host; its drives count as detached."""
    with holding(context.pool, context.task, "VM", vm, "suspend"):
        guest_agent.still(context.pool, vm)
        try:
            put_to_sleep(context.pool, vm)
        finally:
            with context.pool.db.change():
                context.pool.guests.wake(vm)


@TABLE.call("VM.resume", "VM ref", "bool", "bool", asynchronous=True)
def resume(context: Context, vm: str, paused: bool, _force: bool) -> None:  # noqa: FBT001  the wire's own parameters
    """Let a suspended VM go on; its memory image is destroyed."""
    with holding(context.pool, context.task, "VM", vm, "resume"):
        _wake(context, vm, home(context.pool.db, vm), "Paused" if paused else "Running")


@TABLE.call("VM.resume_on", "VM ref", "host ref", "bool", "bool", asynchronous=True)
def resume_on(context: Context, vm: str, host: str, paused: bool, _force: bool) -> None:  # noqa: FBT001  the wire's own
    """Let a suspended VM go on on a certain host."""
    assert_can_run(context.pool.db, vm, host)
    with holding(context.pool, context.task, "VM", vm, "resume_on"):
        _wake(context, vm, host, "Paused" if paused else "Running")


def _wake(context: Context, vm: str, host: str, state: str) -> None:
    pool = context.pool
    with pool.db.change():
        power_on(pool, vm, host)
        pool.db.set("VM", vm, power_state=state)
        if state == "Running":
            boot_unless_up(pool, vm)
    discard_memory(pool, vm)


@TABLE.call("VM.clean_reboot", "VM ref", asynchronous=True)
def clean_reboot(context: Context, vm: str) -> None:
    """Ask the guest to reboot; simulated guests obey at once."""
    with holding(context.pool, context.task, "VM", vm, "clean_reboot"):
        _reboot(context, vm)


@TABLE.call("VM.hard_reboot", "VM ref", asynchronous=True)
def hard_reboot(context: Context, vm: str) -> None:
    """Pull the plug and start again."""
    with holding(context.pool, context.task, "VM", vm, "hard_reboot"):
        _reboot(context, vm)


def _reboot(context: Context, vm: str) -> None:
    db = context.pool.db
    guest_agent.leave(context.pool, vm)
    with db.change():
        host = db.get("VM", vm)["resident_on"]
        power_off(context.pool, vm)
        power_on(context.pool, vm, host)
        guest_agent.boot(context.pool, vm)


@TABLE.call("VM.provision", "VM ref", asynchronous=True)
def provision(context: Context, vm: str) -> None:
    """Make a VM of a template."""
    with holding(context.pool, context.task, "VM", vm, "provision"):
        context.pool.db.set("VM", vm, is_a_template=False)
