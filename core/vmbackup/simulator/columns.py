"""The database's own view of a record: its columns, and their values as text (schema.ml, db_filter.ml)."""

import re

from vmbackup.simulator.database import Record
from vmbackup.simulator.vm_copy import s_expression

_NAMESPACES = re.compile(r"^(name|memory|VCPUs|PV|HVM|actions|qos|API_version)_(?=[a-z])")


def column(name: str) -> str:
    """Give a field's column: its namespace is set off by two underscores."""
    return _NAMESPACES.sub(r"\1__", name)


def text(value: object) -> str:
    """Write a value as its column holds it."""
    match value:
        case bool():
            return str(value).lower()
        case dict() | list():
            return s_expression(value)
    return str(value)


def columns(ref: str, record: Record) -> dict[str, str]:
    """Give a record's row, its ref first."""
    return {"ref": ref, **{column(name): text(value) for name, value in record.items()}}
