"""Holding an object for an operation: the check, the retry of a conflict, the mark (message_forwarding.ml)."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from vmbackup.simulator import lifecycle, storage_rules, tasks
from vmbackup.simulator.errors import XapiError
from vmbackup.simulator.pool import Pool
from vmbackup.simulator.visibility import unreachable

_CONFLICT = "OTHER_OPERATION_IN_PROGRESS"
_STORAGE_PATIENCE = 7200.0  # seconds
_SLICE = 0.2  # seconds between two looks at the task's cancellation


@contextmanager
def holding(pool: Pool, task: str, cls: str, ref: str, operation: str) -> Iterator[None]:
    """Mark a VM, VDI or SR with an operation while the block runs.

    A conflict is retried for the pool's `retry_seconds`, one about an SR as long as on a real pool: operations on
    storage queue up. Raises XapiError: the first reason against the operation,
    `HANDLE_INVALID`, or `TASK_CANCELLED` when the waiting task is cancelled or the coordinator restarts.
    """
    _wait_until_valid(pool, task, cls, ref, operation)
    try:
        yield
    finally:
        with pool.db.change():
            if pool.db.has(cls, ref) and not tasks.is_orphaned(pool, task):
                running = pool.db.get(cls, ref)["current_operations"]
                pool.db.set(cls, ref, current_operations={key: op for key, op in running.items() if key != task})


def _wait_until_valid(pool: Pool, task: str, cls: str, ref: str, operation: str) -> None:
    deadline = time.monotonic() + (_STORAGE_PATIENCE if cls == "SR" else pool.settings.retry_seconds)
    restarts = pool.restarts
    while True:
        with pool.db.change():
            if pool.restarts != restarts or tasks.is_lost(pool, task):
                raise XapiError("TASK_CANCELLED", task)
            error = refusal(pool, cls, ref, operation)
            if error is None:
                running = pool.db.get(cls, ref)["current_operations"]
                pool.db.set(cls, ref, current_operations={**running, task: operation})
                return
            remaining = deadline - time.monotonic()
            if error.code != _CONFLICT or remaining <= 0 or pool.stopping.is_set():
                raise error
            if tasks.is_cancelled(pool, task):
                raise XapiError("TASK_CANCELLED", task)
        with pool.db.changed:
            pool.db.changed.wait(min(_SLICE, remaining))


def refusal(pool: Pool, cls: str, ref: str, operation: str) -> XapiError | None:
    """Give the first reason against an operation on a VM, VDI or SR, or None."""
    if cls == "VM":
        return lifecycle.refusal(pool.db, ref, operation)
    if cls == "VDI":
        return storage_rules.disk_refusal(pool.db, ref, operation)
    running = pool.db.get("SR", ref)["current_operations"]
    return lifecycle.in_progress("SR", ref, running) if running else unreachable(pool, ref)
