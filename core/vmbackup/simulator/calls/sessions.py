"""Logging in and out (xapi_session.ml)."""

from typing import Final

from vmbackup.simulator.calls.table import Context, Table, optional

TABLE: Final = Table()


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
    pool = context.pool
    return pool.sessions.open(pool.record["master"], username, password, originator)


@TABLE.call("session.logout")
def logout(context: Context) -> None:
    """Destroy the session that calls."""
    context.pool.db.delete("session", context.session)
