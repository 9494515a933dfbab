"""Logging in and out (xapi_session.ml)."""

import hmac
from typing import Final

from vmbackup.simulator.calls.table import Context, Table, optional
from vmbackup.simulator.clock import now
from vmbackup.simulator.errors import XapiError
from vmbackup.simulator.pool import Pool

TABLE: Final = Table()


def open_session(pool: Pool, username: str, password: str, originator: str) -> str:
    """Make a session. Raises XapiError `SESSION_AUTHENTICATION_FAILED [user; message]`."""
    known = hmac.compare_digest(username.encode(), pool.settings.username.encode())
    if not (hmac.compare_digest(password.encode(), pool.settings.password.encode()) and known):
        raise XapiError("SESSION_AUTHENTICATION_FAILED", username, "Authentication failure")
    return pool.db.create(
        "session",
        {
            "this_host": pool.record["master"],
            "last_active": now(),
            "validation_time": now(),
            "is_local_superuser": True,
            "auth_user_name": username,
            "originator": originator,
        },
    )


@TABLE.call(
    "session.login_with_password",
    "string",
    "string",
    optional("string", "1.1"),
    optional("string", ""),
    result="session ref",
    session=False,
)
def login_with_password(context: Context, username: str, password: str, _version: str, originator: str) -> str:
    """Log in; the version is ignored, as the server does."""
    return open_session(context.pool, username, password, originator)


@TABLE.call("session.logout")
def logout(context: Context) -> None:
    """Destroy the session that calls."""
    context.pool.db.delete("session", context.session)
