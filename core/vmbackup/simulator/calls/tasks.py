"""Calls on tasks (xapi_task.ml)."""

from typing import Final

from vmbackup.simulator import tasks
from vmbackup.simulator.calls.table import Context, Table

TABLE: Final = Table()


@TABLE.call("task.create", "string", "string", result="task ref")
def create(context: Context, label: str, description: str) -> str:
    """Make a pending task that the caller will hand to an HTTP handler or complete himself."""
    return tasks.begin(context.pool, context.session, label, description)


@TABLE.call("task.cancel", "task ref", asynchronous=True)
def cancel(context: Context, task: str) -> None:
    """Ask for a cancellation; whoever works on the task notices it sooner or later."""
    with context.pool.db.change():
        record = context.pool.db.get("task", task)
        if record["status"] == "pending":
            asked = {**record["current_operations"], context.task: "cancel"}
            context.pool.db.set("task", task, current_operations=asked)


@TABLE.call("task.destroy", "task ref")
def destroy(context: Context, task: str) -> None:
    """Remove a completed task; a pending one is only flagged and goes when it is complete."""
    with context.pool.db.change():
        record = context.pool.db.get("task", task)
        if record["status"] == "pending":
            flagged = {**record["current_operations"], context.task: "destroy"}
            context.pool.db.set("task", task, current_operations=flagged)
        else:
            context.pool.dismissed.add(task)
            tasks.remove(context.pool, task)
