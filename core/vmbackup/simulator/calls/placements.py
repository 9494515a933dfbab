"""Calls about where VMs can run, and with how much memory (xapi_vm.ml, xapi_host.ml)."""

from typing import Final

from vmbackup.simulator import host_memory, placement
from vmbackup.simulator.calls.table import Context, Table

TABLE: Final = Table()


@TABLE.call("VM.assert_can_boot_here", "VM ref", "host ref")
def assert_can_boot_here(context: Context, vm: str, host: str) -> None:
    """Raise the first reason why a VM cannot start on a host now."""
    with context.pool.db.changed:
        placement.assert_can_run(context.pool.db, vm, host)


@TABLE.call("VM.get_possible_hosts", "VM ref", result="host ref set")
def get_possible_hosts(context: Context, vm: str) -> list[str]:
    """Give the hosts where a VM can start now."""
    with context.pool.db.changed:
        return placement.possible(context.pool.db, vm)


@TABLE.call("VM.compute_memory_overhead", "VM ref", result="int")
def vm_overhead(context: Context, vm: str) -> int:
    """Give the bytes that a VM takes beside its guest's memory."""
    return host_memory.overhead(context.pool.db.get("VM", vm))


@TABLE.call("host.compute_free_memory", "host ref", result="int")
def free_memory(context: Context, host: str) -> int:
    """Give the bytes of a host that no VM takes."""
    with context.pool.db.changed:
        return host_memory.free(context.pool.db, host)


@TABLE.call("host.compute_memory_overhead", "host ref", result="int")
def host_overhead(context: Context, host: str) -> int:
    """Give the bytes that a host takes for itself, its control domain not counted."""
    return int(context.pool.db.get("host", host)["memory_overhead"])
