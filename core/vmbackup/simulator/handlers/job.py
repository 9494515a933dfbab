"""A handler's work under its task (xapi_http.ml, with_context): who records what, and what the client is still told."""

import contextlib
from collections.abc import Callable

from vmbackup.simulator import http, tasks
from vmbackup.simulator.errors import XapiError, handle_invalid
from vmbackup.simulator.handlers.body import Severed
from vmbackup.simulator.handlers.exchange import Exchange, Rejected
from vmbackup.simulator.schema import NULL
from vmbackup.simulator.wire import PeerGone

_PEER_GONE = XapiError("CLIENT_ERROR", 'INTERNAL_ERROR: [ Unix.Unix_error(Unix.EPIPE, "write", "") ]')

_DISK_ERROR = XapiError("VDI_IO_ERROR", "Device I/O errors")


class Unanswered(Exception):
    """The task fails with this error and the connection is closed without a single byte."""

    def __init__(self, error: XapiError) -> None:
        super().__init__(error)
        self.error = error


def perform(exchange: Exchange, label: str, work: Callable[[str], None]) -> None:
    """Do a handler's work under the caller's task, or under one of its own that is destroyed at the end."""
    task = exchange.request.parameter("task_id")
    own = task is None
    if task is None:
        session, parent = (exchange.request.parameter(name) for name in ("session_id", "subtask_of"))
        task = tasks.begin(exchange.pool, session or "", label, parent=parent or NULL)
    elif not exchange.pool.db.has("task", task):
        raise exchange.broken(handle_invalid("task", task))
    try:
        _guarded(exchange, task, work)
    finally:
        if own and exchange.pool.db.has("task", task):
            tasks.remove(exchange.pool, task)


def _guarded(exchange: Exchange, task: str, work: Callable[[str], None]) -> None:
    try:
        work(task)
    except XapiError as error:
        tasks.fail(exchange.pool, task, error)
        exchange.wire.write([http.internal_error(exchange.request.version, error.description)])
    except Rejected as rejected:
        tasks.fail(exchange.pool, task, rejected.error)
        exchange.wire.write([rejected.answer])
    except Unanswered as unanswered:
        tasks.fail(exchange.pool, task, unanswered.error)
    except Severed as severed:
        _end(exchange, task, severed)
    except PeerGone:
        tasks.fail(exchange.pool, task, _PEER_GONE)
    except OSError:
        tasks.fail(exchange.pool, task, _DISK_ERROR)
        exchange.wire.write([http.internal_error(exchange.request.version, _DISK_ERROR.description)])


def _end(exchange: Exchange, task: str, severed: Severed) -> None:
    if severed.task == "success":
        tasks.succeed(exchange.pool, task)
    elif severed.task == "failure":
        tasks.fail(exchange.pool, task, _PEER_GONE)
    with contextlib.suppress(OSError):
        (exchange.wire.reset if severed.reset else exchange.wire.close)()
