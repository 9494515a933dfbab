"""The calls of the simulated pool, a module for each class; `ALL` has every one by its name, `Class.method`."""

from vmbackup.simulator.calls import (
    accessors,
    discs,
    disk_copies,
    drives,
    empty_classes,
    events,
    interfaces,
    messages,
    migrations,
    networks,
    placements,
    pools,
    sessions,
    storage,
    tasks,
    vm_copies,
    vm_power,
    vm_revert,
    vm_states,
    vms,
    vtpms,
)
from vmbackup.simulator.calls.table import Call

_TABLES = (
    accessors.TABLE,
    sessions.TABLE,
    tasks.TABLE,
    vms.TABLE,
    vm_power.TABLE,
    vm_states.TABLE,
    migrations.TABLE,
    vm_copies.TABLE,
    vm_revert.TABLE,
    storage.TABLE,
    disk_copies.TABLE,
    drives.TABLE,
    discs.TABLE,
    interfaces.TABLE,
    networks.TABLE,
    placements.TABLE,
    vtpms.TABLE,
    events.TABLE,
    messages.TABLE,
    pools.TABLE,
    empty_classes.TABLE,
)

ALL: dict[str, Call] = {name: call for table in _TABLES for name, call in table.calls.items()}
