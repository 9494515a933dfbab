"""`GET /pool/xmldbdump`: the whole database as XML, secrets and all (pool_db_backup.ml, db_xml.ml)."""

import re

from vmbackup.simulator import tasks
from vmbackup.simulator.database import Record
from vmbackup.simulator.handlers.body import Body
from vmbackup.simulator.handlers.credentials import authenticated
from vmbackup.simulator.handlers.exchange import Exchange
from vmbackup.simulator.handlers.job import perform
from vmbackup.simulator.pool import Pool
from vmbackup.simulator.schema import MODEL
from vmbackup.simulator.values import escape
from vmbackup.simulator.vm_copy import s_expression

_NOT_PERSISTENT = frozenset({"session", "task", "message"})
_NAMESPACES = re.compile(r"^(name|memory|VCPUs|PV|HVM|actions|qos|API_version)_(?=[a-z])")
_PROTECTED = str.maketrans({"%": "%%", " ": "%.", "\t": "%t", "\n": "%n", "\r": "%r"})


def database_dump(exchange: Exchange) -> None:
    """Answer a request for the pool's database."""
    with authenticated(exchange, "get_pool_xml_db_sync"):
        perform(exchange, "dump database", lambda task: _dump(exchange, task))


def _dump(exchange: Exchange, task: str) -> None:
    head = (
        "HTTP/1.1 200 OK\r\nConnection: close\r\nCache-Control: no-cache, no-store\r\n"
        f"task-id:{task}\r\ncontent-type: application/octet-stream\r\n\r\n"
    )
    text = _document(exchange.pool).encode()
    exchange.wire.write([head.encode()])
    Body(exchange.wire, exchange.pool.faults.for_body(exchange.request.target)).write([text])
    tasks.succeed(exchange.pool, task)


def _document(pool: Pool) -> str:
    manifest = {
        "pool_conf": "master",
        "schema_major_vsn": "5",
        "schema_minor_vsn": "780",
        "generation_count": "1",
        "installation_uuid": pool.record["uuid"],
    }
    pairs = "".join(f"<pair key={_quoted(key)} value={_quoted(value)}/>" for key, value in manifest.items())
    with pool.db.changed:
        tables = "".join(_table(cls, pool.db.table(cls)) for cls in sorted(MODEL.classes) if cls not in _NOT_PERSISTENT)
    return f"<?xml version='1.0' encoding='utf-8'?><database><manifest>{pairs}</manifest>{tables}</database>"


def _table(cls: str, rows: dict[str, Record]) -> str:
    return f"<table name={_quoted(cls)}>{''.join(_row(ref, record) for ref, record in rows.items())}</table>"


def _row(ref: str, record: Record) -> str:
    columns = {"ref": ref, **{_column(name): _text(value) for name, value in record.items()}}
    return f"<row {' '.join(f'{name}={_quoted(value)}' for name, value in columns.items())}/>"


def _column(name: str) -> str:
    """Give a field's column: its namespace is set off by two underscores."""
    return _NAMESPACES.sub(r"\1__", name)


def _text(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case dict() | list():
            return s_expression(value).translate(_PROTECTED)
    return str(value).translate(_PROTECTED)


def _quoted(text: str) -> str:
    return f'"{escape(text)}"'
