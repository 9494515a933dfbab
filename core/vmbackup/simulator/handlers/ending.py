"""How the task of a handler ends when its body is whole: well, or as a rule says."""

from collections.abc import Sequence

from vmbackup.simulator import tasks
from vmbackup.simulator.errors import XapiError
from vmbackup.simulator.faults import BodyRule, TaskFails, TaskGone, TaskSlow
from vmbackup.simulator.handlers.exchange import Exchange


def complete(exchange: Exchange, task: str, rules: Sequence[BodyRule], result: str = "") -> None:
    """Complete a task; `result` is the encoded value or nothing. A server that stops leaves a slow task pending."""
    pool = exchange.pool
    for rule in rules:
        match rule:
            case TaskFails(code=code, params=params):
                tasks.fail(pool, task, XapiError(code, *params))
            case TaskGone() if pool.db.has("task", task):
                tasks.remove(pool, task)
            case TaskSlow(seconds=seconds):
                exchange.wire.close()
                pool.faults.hold(rule, seconds, lambda: not pool.stopping.is_set())
    tasks.succeed(pool, task, result)
