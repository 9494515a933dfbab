"""The pool's messages, which tell people what happened (xapi_message.ml, api_messages.ml)."""

from vmbackup.simulator.pool import Pool

PRIORITIES = {"VM_SNAPSHOTTED": 5, "VM_CHECKPOINTED": 5, "VM_SNAPSHOT_REVERTED": 5}


def post(pool: Pool, name: str, cls: str, uuid: str, body: str, *, priority: int | None = None) -> str:
    """Leave a message about an object; its priority is the name's own unless one is given. Returns the ref."""
    return pool.db.create(
        "message",
        {
            "name": name,
            "priority": PRIORITIES.get(name, 5) if priority is None else priority,
            "cls": cls,
            "obj_uuid": uuid,
            "timestamp": pool.clock.now(),
            "body": body,
        },
    )
