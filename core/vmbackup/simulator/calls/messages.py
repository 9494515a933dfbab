"""Calls on messages (xapi_message.ml)."""

from copy import deepcopy
from typing import Final

from vmbackup.simulator import messages
from vmbackup.simulator.calls.table import Context, Table
from vmbackup.simulator.database import Record

TABLE: Final = Table()


@TABLE.call("message.create", "string", "int", "enum cls", "string", "string", result="message ref")
def create(context: Context, name: str, priority: int, cls: str, uuid: str, body: str) -> str:  # noqa: PLR0917  the wire's own
    """Leave a message about an object."""
    return messages.post(context.pool, name, cls, uuid, body, priority=priority)


@TABLE.call("message.destroy", "message ref")
def destroy(context: Context, message: str) -> None:
    """Remove a message."""
    context.pool.db.delete("message", message)


@TABLE.call("message.destroy_many", "message ref set", asynchronous=True)
def destroy_many(context: Context, given: list[str]) -> None:
    """Remove several messages."""
    with context.pool.db.change():
        for message in given:
            context.pool.db.delete("message", message)


@TABLE.call("message.get", "enum cls", "string", "datetime", result="message ref->record message map")
def get(context: Context, cls: str, uuid: str, since: str) -> dict[str, Record]:
    """Give the messages about an object from a time on."""
    found = _since(context, since)
    return {ref: record for ref, record in found.items() if (record["cls"], record["obj_uuid"]) == (cls, uuid)}


@TABLE.call("message.get_since", "datetime", result="message ref->record message map")
def get_since(context: Context, since: str) -> dict[str, Record]:
    """Give all messages from a time on."""
    return _since(context, since)


def _since(context: Context, since: str) -> dict[str, Record]:
    with context.pool.db.changed:
        rows = context.pool.db.table("message").items()
        return {ref: deepcopy(record) for ref, record in rows if record["timestamp"] >= since}
