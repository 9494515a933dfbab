"""`PUT /import_metadata`: VMs whose disks are in the pool already (import.ml)."""

from collections.abc import Mapping

from vmbackup.simulator import tasks
from vmbackup.simulator.database import Database
from vmbackup.simulator.errors import XapiError
from vmbackup.simulator.faults import BodyRule, TaskFails
from vmbackup.simulator.handlers.credentials import authenticated
from vmbackup.simulator.handlers.ending import complete
from vmbackup.simulator.handlers.exchange import Exchange
from vmbackup.simulator.handlers.import_ import accept, assert_importable, read_document
from vmbackup.simulator.handlers.job import perform
from vmbackup.simulator.incoming import Reader, Upload
from vmbackup.simulator.manuscript import Manuscript
from vmbackup.simulator.restoring import Restorer
from vmbackup.simulator.schema import NULL, parse_type
from vmbackup.simulator.values import encode

_REFS = parse_type("VM ref set")
_MAPPED = "vdi:"


def import_metadata(exchange: Exchange) -> None:
    """Take the records of VMs."""
    with authenticated(exchange, "put_import_metadata"):
        perform(exchange, "VM metadata import", lambda task: _import(exchange, task))


def _import(exchange: Exchange, task: str) -> None:
    request, pool = exchange.request, exchange.pool
    assert_importable(exchange)
    rules = pool.faults.for_body(request.target)
    accept(exchange, task)
    tasks.take(pool, task, exchange.host)
    upload = Upload(exchange, task, rules)
    document = read_document(exchange, Reader(upload))
    while upload.read(1 << 16):  # unlike that of an image, the whole body is read
        pass
    force = request.query.get("force") == "true"
    existing = _disks(pool.db, document, request.query, force=force)
    restorer = Restorer(pool, document, NULL, request.query.get("restore") == "true", task, existing=existing)
    if request.query.get("dry_run") == "true":
        restorer.check()
        made = []
    else:
        made = _make(restorer, document, rules)
    complete(exchange, task, [rule for rule in rules if not isinstance(rule, TaskFails)], encode(made, _REFS))


def _disks(db: Database, document: Manuscript, query: Mapping[str, str], *, force: bool) -> dict[str, str]:
    """Give the VDI for each disk of the document, by its id there: mapped by the request, or of the same uuid.

    Raises XapiError for a disk that is neither, unless forced.
    """
    mapping = {key.removeprefix(_MAPPED): value for key, value in query.items() if key.startswith(_MAPPED)}
    used = {drive["VDI"] for drive in document.all("VBD").values() if not drive["empty"] and drive["type"] != "CD"}
    found = {}
    for name, record in document.all("VDI").items():
        refs = db.find("VDI", uuid=mapping.get(record["uuid"], record["uuid"]))
        if refs:
            found[name] = refs[0]
        elif name in used and not force:
            if mapping:
                raise XapiError("VDI_NOT_IN_MAP", record["uuid"])
            raise XapiError("IMPORT_ERROR_ATTACHED_DISKS_NOT_FOUND")
    return found


def _make(restorer: Restorer, document: Manuscript, rules: list[BodyRule]) -> list[str]:
    """Make the VMs, with the snapshots among them as such; gives those that are none."""
    db = restorer.pool.db
    try:
        with db.change():
            restorer.make()
            names = dict(zip(document.all("VM"), restorer.vms, strict=True))
            for name, vm in names.items():
                _relate(db, names, document.get("VM", name), vm)
        for rule in rules:
            if isinstance(rule, TaskFails):
                raise XapiError(rule.code, *rule.params)  # noqa: TRY301  it must be undone like any other failure
    except BaseException:
        restorer.undo()
        raise
    return [vm for vm in restorer.vms if not db.get("VM", vm)["is_a_snapshot"]]


def _relate(db: Database, names: Mapping[str, str], record: Mapping[str, object], vm: str) -> None:
    """Give a VM its place among the snapshots that came with it."""
    of = names.get(str(record["snapshot_of"]), NULL)
    kept = ("snapshot_time", "snapshot_info", "snapshot_metadata") if record["is_a_snapshot"] else ()
    db.set(
        "VM",
        vm,
        is_a_snapshot=record["is_a_snapshot"],
        snapshot_of=of,
        parent=names.get(str(record["parent"]), NULL),
        current_operations={},
        **{name: record[name] for name in kept},
    )
