"""Waiting for the pool while things are unmade: for those who still hold what is to go, and for what is yet to come."""

import time

from vmbackup.errors import BackupError, PoolError
from vmbackup.journal import Intent
from vmbackup.xapi.session import GONE, Session
from vmbackup.xapi.wire import mapping, text

# A disk that was streamed stays attached to dom0 for up to 300 s after a broken export (xapi: attach_helpers.ml).
IN_USE_SECONDS = 330.0
BUSY = frozenset({"VDI_IN_USE", "OTHER_OPERATION_IN_PROGRESS", "SR_BACKEND_FAILURE_46", "SR_BACKEND_FAILURE_82"})
BUSY_SECONDS = 60.0
SETTLE_SECONDS = 15.0
PAUSE_SECONDS = 0.2


def settle(session: Session, task: str) -> None:
    """Give a cancelled task a moment to end: XAPI looks at the wish when it writes (xapi: stream_vdi.ml)."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while time.monotonic() < deadline and text(session.record("task", task), "status") == "pending":
        time.sleep(PAUSE_SECONDS)


def await_idle(session: Session, name: str, intent: Intent, what: str = "snapshot") -> None:
    """Wait for a snapshot, or a copy, that may be under way: the pool goes on with a call whose caller has died.

    It may also still wait for another operation on the source to end, for up to two hours (xapi: helpers.ml). Raises
    BackupError while the source is busy, so that the intent stays open: the snapshot is yet to come.
    """
    ref = None if intent.text("refused") else session.find(name, intent.text("source"))
    deadline = time.monotonic() + BUSY_SECONDS
    while ref:
        source = session.record(name, ref)
        operations = sorted(mapping(source, "current_operations").values())
        if not operations:
            return
        if time.monotonic() > deadline:
            raise BackupError(
                f"{name} {text(source, 'name_label')!r} is busy ({', '.join(operations)}), so that a {what} which a "
                "run asked for may still be made",
                advice="The next run looks for it again and removes it.",
            )
        time.sleep(PAUSE_SECONDS)


def destroy(session: Session, name: str, ref: str) -> None:
    """Destroy an object, waiting for those who still hold it; one that is gone is no error."""
    deadline = time.monotonic() + IN_USE_SECONDS
    while True:
        try:
            session.call(f"{name}.destroy", ref)
        except PoolError as error:
            if error.xapi_code in GONE:
                return
            if error.xapi_code not in BUSY or time.monotonic() > deadline:
                raise
            time.sleep(PAUSE_SECONDS * 5)
        else:
            return
