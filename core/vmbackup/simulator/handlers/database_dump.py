"""`GET /pool/xmldbdump`: the whole database as XML, secrets and all (pool_db_backup.ml, db_xml.ml)."""

from vmbackup.simulator.columns import columns
from vmbackup.simulator.database import Record
from vmbackup.simulator.handlers.body import Body
from vmbackup.simulator.handlers.credentials import authenticated
from vmbackup.simulator.handlers.ending import complete
from vmbackup.simulator.handlers.exchange import Exchange
from vmbackup.simulator.handlers.job import perform
from vmbackup.simulator.pool import Pool
from vmbackup.simulator.schema import MODEL
from vmbackup.simulator.values import escape

_NOT_PERSISTENT = frozenset({"session", "task", "message"})
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
    rules = exchange.pool.faults.for_body(exchange.request.target)
    Body(exchange, task, rules).write([text])
    complete(exchange, task, rules)


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
    row = columns(ref, record).items()
    return f"<row {' '.join(f'{name}={_quoted(value.translate(_PROTECTED))}' for name, value in row)}/>"


def _quoted(text: str) -> str:
    return f'"{escape(text)}"'
