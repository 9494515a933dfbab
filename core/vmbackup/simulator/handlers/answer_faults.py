"""What a rule answers in place of a handler."""

import contextlib
from urllib.parse import quote, urlencode

from vmbackup.simulator import http, tasks
from vmbackup.simulator.errors import XapiError
from vmbackup.simulator.faults import (
    AnswerRule,
    EmptyReply,
    Forbidden,
    LateAnswer,
    Redirect,
    RedirectLoop,
    Unauthorised,
)
from vmbackup.simulator.handlers.exchange import Exchange

_DENIED = XapiError(
    "RBAC_PERMISSION_DENIED",
    "http/get_export",
    "No permission in user session. Allowed roles: pool-admin, pool-operator, vm-power-admin, vm-admin",
)


def answered(exchange: Exchange) -> bool:
    """Answer a request by the first rule that strikes it; False leaves it to its handler. Raises Refused."""
    rules = exchange.pool.faults.for_answer(exchange.request.target)
    for rule in rules:
        if isinstance(rule, LateAnswer):
            exchange.pool.faults.hold(rule, rule.seconds, lambda: _awaited(exchange))
    return any(_answer(exchange, rule) for rule in rules)


def _awaited(exchange: Exchange) -> bool:
    return not (exchange.pool.stopping.is_set() or exchange.wire.peer_is_gone())


def _answer(exchange: Exchange, rule: AnswerRule) -> bool:
    request = exchange.request
    match rule:
        case EmptyReply(task=task):
            if task == "failure":
                _fail(exchange, XapiError("NO_HOSTS_AVAILABLE"))
            return True
        case Unauthorised():
            action = f"{request.method.lower()}_{request.path.strip('/').replace('/', '_')}"
            raise http.Refused(http.unauthorised(request.version, action))
        case Forbidden():
            _fail(exchange, _DENIED)
            raise http.Refused(http.forbidden(request.version))
        case Redirect(to=to):
            raise http.Refused(http.redirect(to + _target(exchange)))
        case RedirectLoop():
            scheme = "https" if exchange.wire.encrypted else "http"
            host = request.headers.get("host") or exchange.wire.local_name
            raise http.Refused(http.redirect(f"{scheme}://{host}{_target(exchange)}"))
    return False


def _target(exchange: Exchange) -> str:
    query = urlencode(exchange.request.query, quote_via=quote)
    return quote(exchange.request.path) + (f"?{query}" if query else "")


def _fail(exchange: Exchange, error: XapiError) -> None:
    task = exchange.request.parameter("task_id")
    if task is not None:
        with contextlib.suppress(XapiError):
            tasks.fail(exchange.pool, task, error)
