"""`GET /export_raw_vdi`: one disk, raw or as a VHD (export_raw_vdi.ml). The 200 comes before the disk is looked at."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from vmbackup.simulator import http, tasks
from vmbackup.simulator.attaching import attached
from vmbackup.simulator.block_order import struck
from vmbackup.simulator.differences import changed_blocks, parent
from vmbackup.simulator.errors import XapiError, internal_error
from vmbackup.simulator.handlers.body import Body
from vmbackup.simulator.handlers.chunked import write_disk
from vmbackup.simulator.handlers.credentials import authenticated
from vmbackup.simulator.handlers.ending import complete
from vmbackup.simulator.handlers.exchange import Exchange, Rejected
from vmbackup.simulator.handlers.job import perform
from vmbackup.simulator.handlers.progress import Progress
from vmbackup.simulator.handlers.redirect import stay
from vmbackup.simulator.raw_streams import Disk, write_difference, write_raw, write_vhd
from vmbackup.simulator.sparse import MIB
from vmbackup.simulator.vhd import entries
from vmbackup.simulator.xva import END, Sink

_VHD_LIMIT = 2040 << 30
_MEDIA_TYPES = {"raw": "application/octet-stream", "vhd": "application/vhd", "tar": "application/x-tar"}
_WRITERS: Mapping[str, Callable[[Disk, Sink, Callable[[int], None]], None]] = {"raw": write_raw, "vhd": write_vhd}


def export_raw(exchange: Exchange) -> None:
    """Answer a request for a disk's image."""
    with authenticated(exchange, "get_export_raw_vdi"):
        vdi = find_disk(exchange)
        perform(exchange, "VDI export", lambda task: _export(exchange, task, vdi))


def find_disk(exchange: Exchange) -> str:
    """Give the ref of the request's `vdi`, which is a ref or a uuid. Raises Refused (500)."""
    named = exchange.request.parameter("vdi")
    if named is None:
        raise exchange.broken(internal_error("Failure: the parameter vdi is missing"))
    try:
        return _named(exchange, named)
    except XapiError as error:
        raise exchange.broken(error) from None


def _named(exchange: Exchange, name: str) -> str:
    """Give the ref of a VDI that is named by its ref or uuid. Raises XapiError."""
    db = exchange.pool.db
    return name if db.has("VDI", name) else db.by_uuid("VDI", name)


def _export(exchange: Exchange, task: str, vdi: str) -> None:
    pool, request = exchange.pool, exchange.request
    wanted = request.query.get("format", "raw")
    if wanted not in pool.settings.profile.raw_formats:
        raise Rejected(http.missing("1.0"), internal_error(f"Unknown format {wanted}"))
    record = pool.db.get("VDI", vdi)
    stay(exchange, [record["SR"]])
    head = (
        f"HTTP/1.1 200 OK\r\nConnection: close\r\nCache-Control: no-cache, no-store\r\ntask-id:{task}\r\n"
        f"content-type:{_MEDIA_TYPES[wanted]}\r\n"
        f'content-disposition: attachment; filename="{record["uuid"]}.{wanted}"\r\n\r\n'
    )
    exchange.wire.write([head.encode()])
    tasks.take(pool, task, exchange.host)
    size = record["virtual_size"]
    if wanted == "vhd" and size > _VHD_LIMIT:
        raise XapiError("VDI_TOO_LARGE", vdi, str(_VHD_LIMIT))
    rules = pool.faults.for_body(request.target)
    body, progress = Body(exchange, task, rules), Progress(pool, task, size)
    with attached(pool, exchange.host, vdi, "RO", rules), pool.guests.busy():
        if wanted == "tar":
            write_disk(pool, vdi, "vdi", body, marks=struck(rules, 0, -(-size // MIB)), progress=progress)
            body.write([END])
        else:
            with pool.disks.path(record["uuid"]).open("rb") as file:
                disk = Disk(file.fileno(), size, struck(rules, 0, entries(size)))
                if "base" in request.query:
                    _write_difference(exchange, vdi, disk, body, progress.step)
                else:
                    _WRITERS[wanted](disk, body, progress.step)
    complete(exchange, task, rules)


def _write_difference(exchange: Exchange, vdi: str, disk: Disk, body: Body, step: Callable[[int], None]) -> None:
    """Send what is not in the request's `base`: as a differencing VHD, or raw, where all the rest is zeros."""
    pool = exchange.pool
    base = _named(exchange, exchange.request.query["base"])
    blocks = changed_blocks(pool.db, pool.disks, vdi, base)
    if exchange.request.query.get("format") == "vhd":
        write_difference(disk, blocks, parent(pool.db, base), body, step)
    else:
        unchanged = frozenset(range(entries(disk.size))) - frozenset(blocks)
        marks = replace(disk.marks, left_out=disk.marks.left_out | unchanged)
        write_raw(replace(disk, marks=marks), body, step)
