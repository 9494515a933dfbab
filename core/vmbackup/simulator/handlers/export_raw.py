"""`GET /export_raw_vdi`: one disk, raw or as a VHD (export_raw_vdi.ml). The 200 comes before the disk is looked at."""

from collections.abc import Callable, Mapping

from vmbackup.simulator import http, tasks
from vmbackup.simulator.attaching import attached
from vmbackup.simulator.errors import XapiError, internal_error
from vmbackup.simulator.faults import LeaveOutBlock, TaskFails
from vmbackup.simulator.handlers.body import Body
from vmbackup.simulator.handlers.credentials import authenticated
from vmbackup.simulator.handlers.exchange import Exchange, Rejected
from vmbackup.simulator.handlers.job import perform
from vmbackup.simulator.handlers.progress import Progress
from vmbackup.simulator.raw_streams import Disk, write_raw, write_vhd
from vmbackup.simulator.vhd import entries
from vmbackup.simulator.xva import Sink

_VHD_LIMIT = 2040 << 30
_FORMATS: Mapping[str, tuple[str, Callable[[Disk, Sink, Callable[[int], None]], None]]] = {
    "raw": ("application/octet-stream", write_raw),
    "vhd": ("application/vhd", write_vhd),
}


def export_raw(exchange: Exchange) -> None:
    """Answer a request for a disk's image."""
    with authenticated(exchange, "get_export_raw_vdi"):
        vdi = find_disk(exchange)
        perform(exchange, "VDI export", lambda task: _export(exchange, task, vdi))


def find_disk(exchange: Exchange) -> str:
    """Give the ref of the request's `vdi`, which is a ref or a uuid. Raises Refused (500)."""
    db, named = exchange.pool.db, exchange.request.parameter("vdi")
    if named is None:
        raise exchange.broken(internal_error("Failure: the parameter vdi is missing"))
    if db.has("VDI", named):
        return named
    try:
        return db.by_uuid("VDI", named)
    except XapiError as error:
        raise exchange.broken(error) from None


def _export(exchange: Exchange, task: str, vdi: str) -> None:
    pool, request = exchange.pool, exchange.request
    wanted = request.query.get("format", "raw")
    if wanted not in _FORMATS:
        raise Rejected(http.missing("1.0"), internal_error(f"Unknown format {wanted}"))
    media_type, write = _FORMATS[wanted]
    record = pool.db.get("VDI", vdi)
    head = (
        f"HTTP/1.1 200 OK\r\nConnection: close\r\nCache-Control: no-cache, no-store\r\ntask-id:{task}\r\n"
        f"content-type:{media_type}\r\n"
        f'content-disposition: attachment; filename="{record["uuid"]}.{wanted}"\r\n\r\n'
    )
    exchange.wire.write([head.encode()])
    tasks.advance(pool, task, 0.0)
    if "base" in request.query:
        raise internal_error("Failure: Cannot compute differences on non-VHD images")
    size = record["virtual_size"]
    if wanted == "vhd" and size > _VHD_LIMIT:
        raise XapiError("VDI_TOO_LARGE", vdi, str(_VHD_LIMIT))
    rules = pool.faults.for_body(request.target)
    skipped = [rule.block % entries(size) for rule in rules if isinstance(rule, LeaveOutBlock)]
    with attached(pool, vdi, "RO"), pool.guests.busy(), pool.disks.path(record["uuid"]).open("rb") as file:
        disk = Disk(file.fileno(), size, frozenset(skipped))
        write(disk, Body(exchange.wire, rules), Progress(pool, task, size).step)
    for rule in rules:
        if isinstance(rule, TaskFails):
            tasks.fail(pool, task, XapiError(rule.code, *rule.params))
    tasks.succeed(pool, task)
