"""The calls of the simulated pool, a module for each class; `ALL` has every one by its name, `Class.method`."""

from vmbackup.simulator.calls import accessors, drives, interfaces, sessions, storage, tasks, vm_power, vms
from vmbackup.simulator.calls.table import Call

_TABLES = (
    accessors.TABLE,
    sessions.TABLE,
    tasks.TABLE,
    vms.TABLE,
    vm_power.TABLE,
    storage.TABLE,
    drives.TABLE,
    interfaces.TABLE,
)

ALL: dict[str, Call] = {name: call for table in _TABLES for name, call in table.calls.items()}
