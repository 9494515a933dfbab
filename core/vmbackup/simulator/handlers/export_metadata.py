"""`GET /export_metadata`: a tar with nothing but `ova.xml`, of known length (export.ml)."""

import contextlib
import time

from vmbackup.simulator import http, ova, xva
from vmbackup.simulator.errors import XapiError, internal_error
from vmbackup.simulator.handlers.body import Body
from vmbackup.simulator.handlers.credentials import authenticated
from vmbackup.simulator.handlers.ending import complete
from vmbackup.simulator.handlers.exchange import Exchange, Rejected
from vmbackup.simulator.handlers.export import find_vm
from vmbackup.simulator.handlers.job import perform
from vmbackup.simulator.operations import holding
from vmbackup.simulator.pool import Pool

_DEVICES = frozenset({"vif", "vbd", "vgpu", "vtpm"})


def export_metadata(exchange: Exchange) -> None:
    """Answer a request for the records of one VM, or of `all` that are no built-in templates."""
    with authenticated(exchange, "get_export_metadata"):
        query = exchange.request.query
        everything = exchange.flag("all", query.get("all"), default=False)
        dom0 = exchange.flag("include_dom0", query.get("include_dom0"), default=True)
        snapshots = exchange.flag("export_snapshots", query.get("export_snapshots"), default=True)
        parents = exchange.flag("include_vhd_parents", query.get("include_vhd_parents"), default=False)
        extent = ova.Extent(preserve=True, excluded=_excluded(exchange), parents=parents)
        vms = _all(exchange.pool, dom0=dom0) if everything else [find_vm(exchange)]
        perform(exchange, "VM metadata export", lambda task: _export(exchange, task, vms, extent, snapshots=snapshots))


def _excluded(exchange: Exchange) -> frozenset[str]:
    """Give the kinds of devices that are to be left out; products before 24.13 do not look. Raises Refused (500)."""
    given = exchange.request.query.get("excluded_device_types", "")
    if not given or not exchange.pool.settings.profile.excludes_devices:
        return frozenset()
    kinds = frozenset(given.split(","))
    if unknown := sorted(kinds - _DEVICES):
        raise exchange.broken(internal_error(f"Failure: Unknown device type: {unknown[0]}"))
    return kinds


def _all(pool: Pool, *, dom0: bool) -> list[str]:
    refs = pool.db.find("VM", is_default_template=False)
    return [ref for ref in refs if dom0 or not pool.db.get("VM", ref)["is_control_domain"]]


def _export(exchange: Exchange, task: str, vms: list[str], extent: ova.Extent, *, snapshots: bool) -> None:
    pool = exchange.pool
    try:
        with contextlib.ExitStack() as held:
            for vm in vms:
                held.enter_context(holding(pool, task, "VM", vm, "metadata_export"))
            text = _written(pool, vms, extent, snapshots=snapshots)
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


def _written(pool: Pool, vms: list[str], extent: ova.Extent, *, snapshots: bool) -> bytes:
    with pool.db.changed:
        related = [snapshot for vm in vms for snapshot in pool.db.get("VM", vm)["snapshots"]] if snapshots else []
        contents = ova.collect(pool, list(dict.fromkeys([*vms, *related])), extent)
        return ova.document(pool, contents, preserve=True, snapshots=snapshots)
