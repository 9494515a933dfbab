"""What is lost when a toolstack restarts, a host dies or the coordinator moves (cancel_tasks.ml): memory alone."""

from collections.abc import Iterable

from vmbackup.simulator import tasks
from vmbackup.simulator.database import Database
from vmbackup.simulator.errors import XapiError
from vmbackup.simulator.pool import Pool


def coordinator_restarted(pool: Pool) -> None:
    """Lose all sessions and tasks of the pool, and all marks of operations; streams of members go on without a task."""
    with pool.db.change():
        pool.restarts += 1
        pool.sessions.expire_all()
        for task in list(pool.db.table("task")):
            tasks.remove(pool, task)
        forget_operations(pool.db, None)
        release_disks(pool.db, pool.record["master"])


def member_restarted(pool: Pool, host: str) -> None:
    """Destroy a host's unfinished tasks, their marks and its attached disks, as when it says hello again."""
    with pool.db.change():
        table = pool.db.table("task")
        lost = [ref for ref, task in table.items() if task["status"] == "pending" and task["resident_on"] == host]
        for task in lost:
            tasks.remove(pool, task)
        forget_operations(pool.db, lost)
        release_disks(pool.db, host)


def moved(pool: Pool, host: str) -> None:
    """Make a host the coordinator. Raises XapiError `HANDLE_INVALID`."""
    with pool.db.change():
        pool.db.get("host", host)
        (ref,) = pool.db.table("pool")
        for former in pool.db.table("host"):
            release_disks(pool.db, former)
        pool.db.set("pool", ref, master=host)
        coordinator_restarted(pool)


def live(db: Database, host: str, *, value: bool) -> None:
    """Say of a host that its heartbeat is heard, or that it is not."""
    db.set("host_metrics", db.get("host", host)["metrics"], live=value)


def forget_operations(db: Database, of: Iterable[str] | None) -> None:
    """Take the marks of these tasks from all objects; None: all marks."""
    lost = None if of is None else set(of)
    for cls in ("VM", "VDI", "SR"):
        for ref, record in db.table(cls).items():
            kept = {} if lost is None else {k: v for k, v in record["current_operations"].items() if k not in lost}
            db.set(cls, ref, current_operations=kept)


def release_disks(db: Database, host: str) -> None:
    """Detach what a host's control domain had attached for streams."""
    domain = db.get("host", host)["control_domain"]
    for vbd in list(db.get("VM", domain)["VBDs"]):
        db.delete("VBD", vbd)


def assert_can_lead(pool: Pool, host: str) -> None:
    """Raise XapiError when a host cannot become the coordinator: it is that already, disabled, or does not live."""
    record = pool.db.get("host", host)
    if not record["enabled"]:
        raise XapiError("HOST_DISABLED", host)
    if not pool.db.get("host_metrics", record["metrics"])["live"]:
        raise XapiError("HOST_OFFLINE", host)
