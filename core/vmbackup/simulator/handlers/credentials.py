"""Who may use a handler (xapi_http.ml): by session or by Basic; only the start of a stream is checked."""

import base64
import binascii
from collections.abc import Iterator
from contextlib import contextmanager

from vmbackup.simulator import http
from vmbackup.simulator.calls.sessions import open_session
from vmbackup.simulator.errors import XapiError, internal_error
from vmbackup.simulator.handlers.exchange import Exchange


@contextmanager
def authenticated(exchange: Exchange, action: str) -> Iterator[None]:
    """Let in who has a session or the password. Raises Refused: 401, with the caller's task left as it is."""
    refused = http.Refused(http.unauthorised(exchange.request.version, action))
    session = exchange.request.parameter("session_id")
    basic = exchange.request.headers.get("authorization")
    if session is not None:
        if not exchange.pool.db.has("session", session):
            raise refused
        yield
    elif exchange.request.parameter("pool_secret") is not None or basic is None:
        raise refused
    else:
        try:
            own = open_session(exchange.pool, *_name_and_password(exchange, basic), "")
        except XapiError:
            raise refused from None
        try:
            yield
        finally:
            exchange.pool.db.delete("session", own)


def _name_and_password(exchange: Exchange, header: str) -> tuple[str, str]:
    scheme, _, encoded = header.partition(" ")
    if scheme != "Basic":
        raise exchange.broken(internal_error(f"Http.Unknown_auth({scheme})"))
    try:
        name, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return name, password
