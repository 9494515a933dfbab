"""`GET /export_metadata`: a tar with nothing but `ova.xml`, of known length (export.ml)."""

import time

from vmbackup.simulator import http, ova, xva
from vmbackup.simulator.errors import XapiError
from vmbackup.simulator.handlers.body import Body
from vmbackup.simulator.handlers.credentials import authenticated
from vmbackup.simulator.handlers.ending import complete
from vmbackup.simulator.handlers.exchange import Exchange, Rejected
from vmbackup.simulator.handlers.export import find_vm
from vmbackup.simulator.handlers.job import perform
from vmbackup.simulator.operations import holding
from vmbackup.simulator.pool import Pool


def export_metadata(exchange: Exchange) -> None:
    """Answer a request for the records of one VM, or of `all` that are no built-in templates."""
    with authenticated(exchange, "get_export_metadata"):
        query = exchange.request.query
        everything = exchange.flag("all", query.get("all"), default=False)
        dom0 = exchange.flag("include_dom0", query.get("include_dom0"), default=True)
        snapshots = exchange.flag("export_snapshots", query.get("export_snapshots"), default=True)
        vms = _all(exchange.pool, dom0=dom0) if everything else [find_vm(exchange)]
        perform(exchange, "VM metadata export", lambda task: _export(exchange, task, vms, snapshots=snapshots))


def _all(pool: Pool, *, dom0: bool) -> list[str]:
    refs = pool.db.find("VM", is_default_template=False)
    return [ref for ref in refs if dom0 or not pool.db.get("VM", ref)["is_control_domain"]]


def _export(exchange: Exchange, task: str, vms: list[str], *, snapshots: bool) -> None:
    pool = exchange.pool
    try:
        text = _document(pool, task, vms, snapshots=snapshots)
    except XapiError as error:
        empty = b"HTTP/1.1 500 internal error\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        raise Rejected(empty + http.internal_error(exchange.request.version, error.description), error) from None
    archive = b"".join(
        (xva.member_header("ova.xml", len(text), int(time.time())), text, xva.padding(len(text)), xva.END)
    )
    head = (
        "HTTP/1.0 200 OK\r\nConnection: close\r\nCache-Control: no-cache, no-store\r\n"
        f"task-id: {task}\r\nContent-Length: {len(archive)}\r\ncontent-type: application/octet-stream\r\n"
        'Content-Disposition: attachment; filename="export.xva"\r\n\r\n'
    )
    exchange.wire.write([head.encode()])
    rules = pool.faults.for_body(exchange.request.target)
    Body(exchange, task, rules).write([archive])
    complete(exchange, task, rules)


def _document(pool: Pool, task: str, vms: list[str], *, snapshots: bool) -> bytes:
    if len(vms) == 1:
        with holding(pool, task, "VM", vms[0], "metadata_export"):
            return _written(pool, vms, snapshots=snapshots)
    return _written(pool, vms, snapshots=snapshots)


def _written(pool: Pool, vms: list[str], *, snapshots: bool) -> bytes:
    with pool.db.changed:
        related = [snapshot for vm in vms for snapshot in pool.db.get("VM", vm)["snapshots"]] if snapshots else []
        contents = ova.collect(pool, list(dict.fromkeys([*vms, *related])))
        return ova.document(pool, contents, preserve=True, snapshots=snapshots)
