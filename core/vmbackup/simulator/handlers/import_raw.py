"""`PUT /import_raw_vdi`: raw data, a VHD or a tar onto a disk (import_raw_vdi.ml). The 200 comes before the body."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from vmbackup.simulator import http, tasks, vhd
from vmbackup.simulator.attaching import attached
from vmbackup.simulator.calls.storage import new_disk
from vmbackup.simulator.disks import DiskSpec
from vmbackup.simulator.errors import XapiError, internal_error
from vmbackup.simulator.handlers.credentials import authenticated
from vmbackup.simulator.handlers.ending import complete
from vmbackup.simulator.handlers.exchange import Exchange, Rejected
from vmbackup.simulator.handlers.export_raw import find_disk
from vmbackup.simulator.handlers.import_ import accept, target_repository
from vmbackup.simulator.handlers.job import perform
from vmbackup.simulator.handlers.progress import Progress
from vmbackup.simulator.handlers.redirect import stay
from vmbackup.simulator.incoming import Reader, Upload
from vmbackup.simulator.provisioning import assert_fitted, measure
from vmbackup.simulator.receiving import Receiver
from vmbackup.simulator.schema import parse_type
from vmbackup.simulator.sparse import MIB, ZEROS, data_extents, is_zero
from vmbackup.simulator.values import encode

_IO_ERROR = XapiError("VDI_IO_ERROR", "Device I/O errors")


def import_raw(exchange: Exchange) -> None:
    """Take a disk's image."""
    with authenticated(exchange, "put_import_raw_vdi"):
        perform(exchange, "VDI import", lambda task: _import(exchange, task))


def _import(exchange: Exchange, task: str) -> None:
    request, pool = exchange.request, exchange.pool
    wanted = request.query.get("format", "raw")
    if "transfer-encoding" in request.headers:
        encoding = request.headers["transfer-encoding"]
        raise Rejected(http.missing(request.version), internal_error(f"Cannot handle encoding: {encoding}"))
    if wanted not in pool.settings.profile.raw_formats:
        raise Rejected(http.missing("1.0"), internal_error(f"Unknown format {wanted}"))
    vdi = _destination(exchange, wanted)
    rules = pool.faults.for_body(request.target)
    accept(exchange, task)
    tasks.take(pool, task, exchange.host)
    disk = pool.db.get("VDI", vdi)
    reader = Reader(Upload(exchange, task, rules))
    step = Progress(pool, task, request.length or disk["virtual_size"]).step
    with attached(pool, exchange.host, vdi, "RW", rules), pool.disks.path(disk["uuid"]).open("r+b") as file:
        if wanted == "raw":
            _raw(reader, file, disk["virtual_size"], request.length, step)
        elif wanted == "vhd":
            _vhd(reader, file, disk["virtual_size"], step)
        else:
            os.truncate(file.fileno(), 0)
            os.truncate(file.fileno(), disk["virtual_size"])
            Receiver(reader, force=False, step=step).disk("vdi", disk["virtual_size"], Path(file.name))
        measure(pool.db, pool.disks, vdi)
        assert_fitted(pool.db, disk["SR"])
    complete(exchange, task, rules, encode(vdi, parse_type("VDI ref")))


def _destination(exchange: Exchange, wanted: str) -> str:
    request, pool = exchange.request, exchange.pool
    if request.parameter("vdi") is not None:
        vdi = find_disk(exchange)
        stay(exchange, [pool.db.get("VDI", vdi)["SR"]])
        return vdi
    repository = target_repository(exchange)
    if repository is None:
        raise Rejected(http.bad_request(request.version), XapiError("VDI_MISSING"))
    if wanted != "raw" or request.length is None:
        error = internal_error("Failure: raw data of known length is needed to make a disk")
        raise Rejected(http.bad_request(request.version), error)
    stay(exchange, [repository])
    fields = {"name_label": "Imported VDI", "SR": repository, "virtual_size": request.length, "type": "user"}
    return new_disk(pool, fields, DiskSpec(request.length))


def _raw(reader: Reader, file: BinaryIO, size: int, length: int | None, step: Callable[[int], None]) -> None:
    if length is None:
        raise internal_error("Failure: Content-Length is needed")
    position = 0
    while position < length:
        data = reader.read_exactly(min(MIB, length - position))
        if position + len(data) > size:
            raise _IO_ERROR
        _put(file, position, data)
        position += len(data)
        step(len(data))


def _vhd(reader: Reader, file: BinaryIO, size: int, step: Callable[[int], None]) -> None:
    try:
        front = reader.read_exactly(vhd.FRONT)
        virtual_size, more = vhd.parse_front(front)
        layout = vhd.parse_table(virtual_size, reader.read_exactly(more))
    except ValueError as error:
        raise internal_error(f"Failure: {error}") from None
    if virtual_size > size:
        raise _IO_ERROR
    blocks = set(layout.blocks)
    for block in range(vhd.entries(virtual_size)):
        if block not in blocks:
            _put(file, block * vhd.BLOCK, ZEROS[: virtual_size - block * vhd.BLOCK])
    for block in layout.blocks:
        bitmap = reader.read_exactly(vhd.SECTOR)
        _sectors(file, bitmap, reader.read_exactly(vhd.BLOCK), block * vhd.BLOCK, virtual_size)
        step(vhd.BLOCK)
    if reader.read_exactly(vhd.SECTOR) != front[: vhd.SECTOR]:
        raise internal_error("Failure: the footer at the end is not the one at the start")


def _sectors(file: BinaryIO, bitmap: bytes, data: bytes, at: int, size: int) -> None:
    """Write the sectors of a block whose bits (the highest first) are set."""
    if bitmap == vhd.BITMAP:
        _put(file, at, data[: size - at])
        return
    for sector in range(vhd.BLOCK // vhd.SECTOR):
        if bitmap[sector >> 3] & (0x80 >> (sector & 7)) and at + sector * vhd.SECTOR < size:
            _put(file, at + sector * vhd.SECTOR, data[sector * vhd.SECTOR : (sector + 1) * vhd.SECTOR])


def _put(file: BinaryIO, position: int, data: bytes) -> None:
    """Write data; zeros onto a hole leave it a hole."""
    hole = next(data_extents(file.fileno(), position + len(data), position), None) is None
    if not (hole and is_zero(memoryview(data))):
        os.pwrite(file.fileno(), data, position)
