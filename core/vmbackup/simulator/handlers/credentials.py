"""Who may use a handler (xapi_http.ml): by session or by Basic; only the start of a stream is checked."""

import base64
import binascii
from collections.abc import Iterator
from contextlib import contextmanager

from vmbackup.simulator import http, tasks
from vmbackup.simulator.errors import XapiError, internal_error
from vmbackup.simulator.handlers.exchange import Exchange
from vmbackup.simulator.users import User, needed_by_handler, refusal
from vmbackup.simulator.visibility import is_live


@contextmanager
def authenticated(exchange: Exchange, action: str) -> Iterator[None]:
    """Let in who has a session or the password, and the role that the action needs.

    Raises Refused: 401, with the caller's task left as it is, or 403, and then the task fails.
    """
    _assert_reaches_coordinator(exchange)
    refused = http.Refused(http.unauthorised(exchange.request.version, action))
    sessions = exchange.pool.sessions
    session = exchange.request.parameter("session_id")
    basic = exchange.request.headers.get("authorization")
    if session is not None:
        try:
            user = sessions.use(session)
        except XapiError:
            raise refused from None
        _assert_permitted(exchange, user, action)
        yield
    elif exchange.request.parameter("pool_secret") is not None or basic is None:
        raise refused
    else:
        try:
            own = sessions.open(exchange.pool.record["master"], *_name_and_password(exchange, basic), "")
        except XapiError:
            raise refused from None
        try:
            _assert_permitted(exchange, sessions.use(own), action)
            yield
        finally:
            sessions.close(own)


def _assert_reaches_coordinator(exchange: Exchange) -> None:
    """Raise Refused (500) at a host that cannot ask the coordinator's database whose session it is."""
    pool = exchange.pool
    if error := pool.emergencies.get(exchange.host):
        raise exchange.broken(error)
    if not is_live(pool.db, pool.record["master"]):
        raise exchange.broken(XapiError("HOST_OFFLINE", pool.record["master"]))


def _assert_permitted(exchange: Exchange, user: User, action: str) -> None:
    if error := refusal(user, f"http/{action}", needed_by_handler(action)):
        tasks.fail(exchange.pool, exchange.request.parameter("task_id") or "", error)
        raise http.Refused(http.forbidden(exchange.request.version))


def _name_and_password(exchange: Exchange, header: str) -> tuple[str, str]:
    scheme, _, encoded = header.partition(" ")
    if scheme != "Basic":
        raise exchange.broken(internal_error(f"Http.Unknown_auth({scheme})"))
    try:
        name, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return name, password
