"""Holding an object for an operation: the check, the retry of a conflict, the mark (message_forwarding.ml)."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from vmbackup.simulator import lifecycle, storage_rules, tasks
from vmbackup.simulator.errors import XapiError
from vmbackup.simulator.pool import Pool
from vmbackup.simulator.visibility import unreachable

_CONFLICT = "OTHER_OPERATION_IN_PROGRESS"
_STORAGE_PATIENCE = 7200.0  # seconds
_MOST_WAITING = 100  # operations that wait for another one to end
_SLICE = 0.2  # seconds between two looks at the task's cancellation


@contextmanager
def holding(pool: Pool, task: str, cls: str, ref: str, operation: str) -> Iterator[None]:
    """Mark a VM, VDI or SR with an operation while the block runs.

    A conflict is retried for the pool's `retry_seconds`, one about an SR as long as on a real pool: operations on
    storage queue up. Raises XapiError: the first reason against the operation, `HANDLE_INVALID`,
    `TOO_MANY_PENDING_TASKS` when 100 wait already, or `TASK_CANCELLED` when the waiting task is cancelled or the
    coordinator restarts.
    """
    patience = _STORAGE_PATIENCE if cls == "SR" else pool.settings.retry_seconds
    _wait_until_valid(pool, _Wish(task, cls, ref, operation, time.monotonic() + patience))
    try:
        yield
    finally:
        with pool.db.change():
            if pool.db.has(cls, ref) and not tasks.is_orphaned(pool, task):
                running = pool.db.get(cls, ref)["current_operations"]
                pool.db.set(cls, ref, current_operations={key: op for key, op in running.items() if key != task})


@dataclass(frozen=True, slots=True)
class _Wish:
    """An operation that a task wants to do on an object, and until when it waits for that (seconds, monotonic)."""

    task: str
    cls: str
    ref: str
    operation: str
    deadline: float


def _wait_until_valid(pool: Pool, wish: _Wish) -> None:
    restarts = pool.restarts
    if _begun(pool, wish):
        return
    with _queued(pool):
        while pool.restarts == restarts:
            with pool.db.changed:
                pool.db.changed.wait(min(_SLICE, max(0.0, wish.deadline - time.monotonic())))
                if pool.restarts == restarts and _begun(pool, wish):
                    return
    raise XapiError("TASK_CANCELLED", wish.task)


def _begun(pool: Pool, wish: _Wish) -> bool:
    """Mark the object if nothing is against it; False when it is worth waiting. Raises XapiError."""
    with pool.db.change():
        if tasks.is_lost(pool, wish.task):
            raise XapiError("TASK_CANCELLED", wish.task)
        error = refusal(pool, wish.cls, wish.ref, wish.operation)
        if error is None:
            running = pool.db.get(wish.cls, wish.ref)["current_operations"]
            pool.db.set(wish.cls, wish.ref, current_operations={**running, wish.task: wish.operation})
            return True
        if error.code != _CONFLICT or time.monotonic() >= wish.deadline or pool.stopping.is_set():
            raise error
        if tasks.is_cancelled(pool, wish.task):
            raise XapiError("TASK_CANCELLED", wish.task)
        return False


@contextmanager
def _queued(pool: Pool) -> Iterator[None]:
    """Count who waits. Raises XapiError `TOO_MANY_PENDING_TASKS`."""
    with pool.db.changed:
        if pool.waiting >= _MOST_WAITING:
            raise XapiError("TOO_MANY_PENDING_TASKS")
        pool.waiting += 1
    try:
        yield
    finally:
        with pool.db.changed:
            pool.waiting -= 1


def refusal(pool: Pool, cls: str, ref: str, operation: str) -> XapiError | None:
    """Give the first reason against an operation on a VM, VDI or SR, or None."""
    if cls == "VM":
        return lifecycle.refusal(pool.db, ref, operation)
    if cls == "VDI":
        return storage_rules.disk_refusal(pool.db, ref, operation)
    running = pool.db.get("SR", ref)["current_operations"]
    return lifecycle.in_progress("SR", ref, running) if running else unreachable(pool, ref)
