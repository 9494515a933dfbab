"""The life of a task (taskHelper.ml, xapi_task.ml): only a pending one changes its state."""

from vmbackup.simulator.clock import now
from vmbackup.simulator.errors import XapiError
from vmbackup.simulator.pool import Pool
from vmbackup.simulator.schema import EPOCH, NULL


def begin(pool: Pool, label: str, description: str = "", parent: str = NULL) -> str:
    """Make a pending task; returns its ref."""
    return pool.db.create(
        "task",
        {
            "name_label": label,
            "name_description": description,
            "created": now(),
            "finished": EPOCH,
            "status": "pending",
            "type": "<none/>",
            "resident_on": pool.record["master"],
            "subtask_of": parent,
        },
    )


def advance(pool: Pool, task: str, progress: float) -> None:
    """Record progress (0 to 1, or what 0/0 gives). Raises XapiError `TASK_CANCELLED` when somebody asked for it."""
    with pool.db.change():
        record = pool.db.table("task").get(task)
        if record is None or record["status"] != "pending":
            return
        if is_cancelled(pool, task):
            raise XapiError("TASK_CANCELLED", task)
        pool.db.set("task", task, progress=progress)


def is_cancelled(pool: Pool, task: str) -> bool:
    """Say whether the task's cancellation was asked for."""
    record = pool.db.table("task").get(task)
    return record is not None and "cancel" in record["current_operations"].values()


def succeed(pool: Pool, task: str, result: str = "") -> None:
    """Complete a pending task; `result` is the encoded value or nothing."""
    _finish(pool, task, status="success", result=result)


def fail(pool: Pool, task: str, error: XapiError) -> None:
    """Fail a pending task, or mark it cancelled when that is what the error says."""
    status = "cancelled" if error.code == "TASK_CANCELLED" else "failure"
    _finish(pool, task, status=status, error_info=error.description)


def _finish(pool: Pool, task: str, **fields: object) -> None:
    with pool.db.change():
        record = pool.db.table("task").get(task)
        if record is None or record["status"] != "pending":
            return
        if "destroy" in record["current_operations"].values():
            pool.db.delete("task", task)
        else:
            pool.db.set("task", task, progress=1.0, finished=now(), current_operations={}, **fields)
