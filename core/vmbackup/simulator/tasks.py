"""The life of a task (taskHelper.ml, xapi_task.ml): only a pending one changes its state."""

from vmbackup.simulator.errors import XapiError, handle_invalid
from vmbackup.simulator.pool import Pool
from vmbackup.simulator.schema import EPOCH, NULL
from vmbackup.simulator.visibility import is_live


def begin(pool: Pool, session: str, label: str, description: str = "", parent: str = NULL) -> str:
    """Make a pending task that belongs to a session; returns its ref."""
    db = pool.db
    with db.change():
        task = db.create(
            "task",
            {
                "name_label": label,
                "name_description": description,
                "created": pool.clock.now(),
                "finished": EPOCH,
                "status": "pending",
                "type": "<none/>",
                "resident_on": pool.record["master"],
                "subtask_of": parent,
            },
        )
        if db.has("session", session):
            db.set("session", session, tasks=[*db.get("session", session)["tasks"], task])
    return task


def remove(pool: Pool, task: str) -> None:
    """Remove a task. Raises XapiError `HANDLE_INVALID`."""
    db = pool.db
    with db.change():
        if not db.has("task", task):
            raise handle_invalid("task", task)
        for session, record in db.table("session").items():
            if task in record["tasks"]:
                db.set("session", session, tasks=[one for one in record["tasks"] if one != task])
        db.delete("task", task)


def is_owner(pool: Pool, session: str, task: str) -> bool:
    """Say whether the task was made in a session of the same user that still lives (taskHelper.ml)."""
    db = pool.db
    name = db.get("session", session)["auth_user_name"]
    return any(task in one["tasks"] for one in db.table("session").values() if one["auth_user_name"] == name)


def advance(pool: Pool, task: str, progress: float) -> None:
    """Record progress (0 to 1, or what 0/0 gives). Raises XapiError `TASK_CANCELLED` when somebody asked for it."""
    with pool.db.change():
        record = pool.db.table("task").get(task)
        if record is None or record["status"] != "pending" or is_orphaned(pool, task):
            return
        if is_cancelled(pool, task):
            raise XapiError("TASK_CANCELLED", task)
        pool.db.set("task", task, progress=progress)


def take(pool: Pool, task: str, host: str) -> None:
    """Have a host work on a caller's task: from here on its progress is the handler's."""
    with pool.db.change():
        if pool.db.has("task", task):
            pool.db.set("task", task, resident_on=host)
        advance(pool, task, 0.0)


def is_orphaned(pool: Pool, task: str) -> bool:
    """Say whether the host that works on the task is dead: then it stays as it is until the host returns."""
    record = pool.db.table("task").get(task)
    return record is not None and not is_live(pool.db, record["resident_on"])


def is_lost(pool: Pool, task: str) -> bool:
    """Say whether a task was there and is not any more; a call that its caller waits for never had one."""
    return task.startswith("OpaqueRef:") and not pool.db.has("task", task)


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
        if record is None or record["status"] != "pending" or is_orphaned(pool, task):
            return
        if "destroy" in record["current_operations"].values():
            remove(pool, task)
        else:
            pool.db.set("task", task, progress=1.0, finished=pool.clock.now(), current_operations={}, **fields)
