"""Reading XAPI's values: everything comes as text, struct or array, and integers come as text (rpc: xmlrpc.ml)."""

import contextlib
from collections.abc import Mapping
from datetime import UTC, datetime
from xmlrpc.client import DateTime

from vmbackup.errors import TransferError

NULL = "OpaqueRef:NULL"
Record = Mapping[str, object]


def text(record: Record, field: str) -> str:
    """The field as text; "" where this version of XAPI does not have it."""
    value = record.get(field, "")
    if isinstance(value, str):
        return value
    raise _wrong(field, value)


def number(record: Record, field: str) -> int:
    """The field as an integer; 0 where this version of XAPI does not have it."""
    value = record.get(field, "0")
    try:
        return int(value)  # type: ignore[call-overload, no-any-return]
    except (TypeError, ValueError):
        raise _wrong(field, value) from None


def real(record: Record, field: str) -> float:
    """The field as a floating-point number; 0 where this version of XAPI does not have it."""
    value = record.get(field, 0.0)
    if isinstance(value, int | float | str):
        with contextlib.suppress(ValueError):
            return float(value)
    raise _wrong(field, value)


def flag(record: Record, field: str) -> bool:
    """The field as a truth value; false where this version of XAPI does not have it."""
    value = record.get(field, False)
    if isinstance(value, bool):
        return value
    raise _wrong(field, value)


def texts(record: Record, field: str) -> tuple[str, ...]:
    """The field as a set of texts or references."""
    value = record.get(field, [])
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return tuple(value)
    raise _wrong(field, value)


def mapping(record: Record, field: str) -> dict[str, str]:
    """The field as a map from text to text."""
    value = record.get(field, {})
    if isinstance(value, dict):
        return {str(key): str(item) for key, item in value.items()}
    raise _wrong(field, value)


def moment(record: Record, field: str) -> datetime:
    """The field as a moment in UTC; XAPI writes `YYYYMMDDTHH:MM:SSZ`."""
    value = record.get(field, "19700101T00:00:00Z")
    try:
        shown = str(value.value) if isinstance(value, DateTime) else str(value)
        return datetime.strptime(shown.rstrip("Z").replace("-", ""), "%Y%m%dT%H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        raise _wrong(field, value) from None


def table(value: object) -> dict[str, Record]:
    """An answer of `get_all_records`: references and their records."""
    if isinstance(value, dict) and all(isinstance(record, dict) for record in value.values()):
        return value
    raise _wrong("get_all_records", value)


def _wrong(field: str, value: object) -> TransferError:
    return TransferError(f"the pool's answer makes no sense: {field} is {str(value)[:80]!r}")
