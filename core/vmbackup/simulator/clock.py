"""The server's clock, in the notation of the wire."""

from datetime import UTC, datetime


def now() -> str:
    """Give this instant in UTC, `YYYYMMDDTHH:MM:SSZ`."""
    return datetime.now(UTC).strftime("%Y%m%dT%H:%M:%SZ")
