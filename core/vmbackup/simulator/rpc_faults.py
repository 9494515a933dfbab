"""What rules do to a call by RPC: to its work, and to its request and answer."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

from vmbackup.simulator import tasks
from vmbackup.simulator.errors import XapiError
from vmbackup.simulator.faults import (
    CallFails,
    CallHook,
    CallRule,
    CallStalls,
    CallTaskGone,
    HostDiesAtCall,
    ReplyLost,
    SessionLost,
)
from vmbackup.simulator.pool import Pool
from vmbackup.simulator.wire import HostDied


class ReplyGone(Exception):
    """The connection ends without an answer, in good order or by a reset."""

    def __init__(self, end: Literal["close", "reset"]) -> None:
        super().__init__(end)
        self.end = end


@contextmanager
def answering(pool: Pool, session: str, method: str, arguments: Sequence[object]) -> Iterator[None]:
    """Strike a request before the block and its answer after it.

    Raises XapiError `SESSION_INVALID`, HostDied, and ReplyGone whatever became of the call.
    """
    rules = pool.faults.for_request(method, arguments)
    for rule in rules:
        if isinstance(rule, SessionLost) and session:
            pool.sessions.close(session)
            raise XapiError("SESSION_INVALID", session)
        if isinstance(rule, HostDiesAtCall):
            raise HostDied(rule.seconds, rule.connections)
    try:
        yield
    finally:
        for rule in rules:
            if isinstance(rule, ReplyLost):
                raise ReplyGone(rule.end)


@contextmanager
def working(pool: Pool, task: str, method: str, arguments: Sequence[object]) -> Iterator[None]:
    """Strike the work of a call before the block and after it. Raises XapiError."""
    rules = pool.faults.for_call(method, arguments)
    for rule in rules:
        if isinstance(rule, CallFails):
            raise XapiError(rule.code, *rule.params)
        _pause(pool, task, rule, "before")
    yield
    for rule in rules:
        _pause(pool, task, rule, "after")
        if isinstance(rule, CallTaskGone) and pool.db.has("task", task):
            tasks.remove(pool, task)


def _pause(pool: Pool, task: str, rule: CallRule, when: Literal["before", "after"]) -> None:
    if not isinstance(rule, CallHook | CallStalls) or rule.when != when:
        return
    if isinstance(rule, CallHook):
        rule.run()
        return
    pool.faults.hold(rule, rule.seconds, lambda: not (pool.stopping.is_set() or tasks.is_cancelled(pool, task)))
    if when == "before" and tasks.is_cancelled(pool, task):
        raise XapiError("TASK_CANCELLED", task)
