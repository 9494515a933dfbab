"""The HTTP handlers beside RPC, a module each; `ROUTES` has them by method and path prefix."""

from collections.abc import Callable, Mapping

from vmbackup.simulator.handlers.database_dump import database_dump
from vmbackup.simulator.handlers.exchange import Exchange
from vmbackup.simulator.handlers.export import export
from vmbackup.simulator.handlers.export_metadata import export_metadata
from vmbackup.simulator.handlers.export_raw import export_raw
from vmbackup.simulator.handlers.import_ import import_vm
from vmbackup.simulator.handlers.import_metadata import import_metadata
from vmbackup.simulator.handlers.import_raw import import_raw

ROUTES: Mapping[tuple[str, str], Callable[[Exchange], None]] = {
    ("GET", "/export"): export,
    ("GET", "/export_metadata"): export_metadata,
    ("GET", "/export_raw_vdi"): export_raw,
    ("GET", "/pool/xmldbdump"): database_dump,
    ("PUT", "/import"): import_vm,
    ("PUT", "/import_metadata"): import_metadata,
    ("PUT", "/import_raw_vdi"): import_raw,
}
