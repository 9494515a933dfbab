"""`GET /export`: a VM as an XVA (export.ml)."""

import time
from dataclasses import dataclass
from typing import Final

from vmbackup.simulator import ova, tasks, xva
from vmbackup.simulator.attaching import attached
from vmbackup.simulator.block_order import struck
from vmbackup.simulator.compression import compressor
from vmbackup.simulator.errors import XapiError, internal_error
from vmbackup.simulator.faults import BodyRule, CutTarInsideFrame
from vmbackup.simulator.handlers.body import Body, CutTar, TarEnds
from vmbackup.simulator.handlers.chunked import write_disk
from vmbackup.simulator.handlers.credentials import authenticated
from vmbackup.simulator.handlers.ending import complete
from vmbackup.simulator.handlers.exchange import Exchange
from vmbackup.simulator.handlers.job import Unanswered, perform
from vmbackup.simulator.handlers.progress import Progress
from vmbackup.simulator.handlers.redirect import stay
from vmbackup.simulator.operations import holding
from vmbackup.simulator.pool import Pool
from vmbackup.simulator.sparse import MIB
from vmbackup.simulator.visibility import repositories
from vmbackup.simulator.wire import PeerGone

NO_CACHE: Final = "Connection: close\r\nCache-Control: no-cache, no-store\r\n"


@dataclass(frozen=True, slots=True)
class _Disk:
    """A disk to stream: its VDI, its folder in the archive, its size in bytes."""

    vdi: str
    folder: str
    size: int


def export(exchange: Exchange) -> None:
    """Answer a request for a VM's image."""
    with authenticated(exchange, "get_export"):
        query = exchange.request.query
        preserve = exchange.flag(
            "preserve_power_state", exchange.request.parameter("preserve_power_state"), default=False
        )
        vm = find_vm(exchange)
        perform(
            exchange,
            "VM export",
            lambda task: _export(exchange, task, vm, preserve=preserve, wanted=query.get("use_compression")),
        )


def find_vm(exchange: Exchange) -> str:
    """Give the ref of the request's VM: `ref` as it stands, or looked up by `uuid`. Raises Refused (500)."""
    query = exchange.request.query
    if "ref" in query:
        return query["ref"]
    if "uuid" not in query:
        raise exchange.broken(internal_error("Failure: a VM reference or uuid is required"))
    try:
        return exchange.pool.db.by_uuid("VM", query["uuid"])
    except XapiError as error:
        raise exchange.broken(error) from None


def _export(exchange: Exchange, task: str, vm: str, *, preserve: bool, wanted: str | None) -> None:
    pool = exchange.pool
    try:
        stay(exchange, repositories(pool.db, vm))
    except XapiError:
        raise Unanswered(XapiError("NO_HOSTS_AVAILABLE")) from None
    tasks.take(pool, task, exchange.host)
    rules = pool.faults.for_body(exchange.request.target)
    with holding(pool, task, "VM", vm, "export"), pool.guests.busy():
        head = (
            f"HTTP/1.0 200 OK\r\n{NO_CACHE}task-id: {task}\r\nServer: {pool.settings.profile.server}\r\n"
            "content-type: application/octet-stream\r\n"
            'Content-Disposition: attachment; filename="export.xva"\r\n\r\n'
        )
        exchange.wire.write([head.encode()])
        _send(exchange, task, vm, rules, preserve=preserve, wanted=wanted)
    complete(exchange, task, rules)


def _send(exchange: Exchange, task: str, vm: str, rules: list[BodyRule], *, preserve: bool, wanted: str | None) -> None:
    frame = compressor(exchange.pool.settings.profile.compressions.get(wanted or ""), Body(exchange, task, rules))
    sink: xva.Sink = frame
    for rule in rules:
        if isinstance(rule, CutTarInsideFrame):
            sink = CutTar(frame, rule)
    try:
        _write_archive(exchange, task, vm, sink, rules, preserve=preserve)
    except TarEnds:
        frame.close()
    except PeerGone:
        raise
    except (XapiError, OSError):  # the compressor ends its frame validly before the text of the 500 follows
        frame.close()
        raise
    else:
        frame.close()


def _write_archive(
    exchange: Exchange, task: str, vm: str, sink: xva.Sink, rules: list[BodyRule], *, preserve: bool
) -> None:
    pool = exchange.pool
    with pool.db.changed:
        contents = ova.collect(pool, [vm], ova.Extent(preserve=preserve))
        text = ova.document(pool, contents, preserve=preserve, snapshots=False)
        disks = _disks(pool, vm, contents)
    progress = Progress(pool, task, sum(disk.size for disk in disks))
    xva.write_member(sink, "ova.xml", text, int(time.time()))
    for index, disk in enumerate(disks):
        with attached(pool, exchange.host, disk.vdi, "RO", rules):
            pool.guests.write()
            marks = struck(rules, index, -(-disk.size // MIB))
            write_disk(pool, disk.vdi, disk.folder, sink, marks=marks, progress=progress)
    sink.write([xva.END])


def _disks(pool: Pool, vm: str, contents: ova.Contents) -> list[_Disk]:
    """Give the disks to stream: those of drives for disks, and the memory image if it is in the document."""
    db = pool.db
    drives = [db.get("VBD", vbd) for vbd in db.get("VM", vm)["VBDs"]]
    vdis = [drive["VDI"] for drive in drives if not drive["empty"] and drive["type"] != "CD"]
    memory = db.get("VM", vm)["suspend_VDI"]
    found = []
    for vdi in [*vdis, memory] if ("VDI", memory) in contents.names else vdis:
        disk = db.get("VDI", vdi)
        if db.get("SR", disk["SR"])["content_type"] != "iso":
            found.append(_Disk(vdi, contents.names["VDI", vdi], disk["virtual_size"]))
    return sorted(found, key=lambda disk: disk.folder)
