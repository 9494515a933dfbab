"""`PUT /import`: VMs from an XVA (import.ml). The 200 comes before the body is read; the truth is in the task."""

from vmbackup.simulator import http, manuscript, tasks
from vmbackup.simulator.errors import XapiError
from vmbackup.simulator.faults import BodyRule, TaskFails
from vmbackup.simulator.handlers.credentials import authenticated
from vmbackup.simulator.handlers.ending import complete
from vmbackup.simulator.handlers.exchange import Exchange, Rejected
from vmbackup.simulator.handlers.job import perform
from vmbackup.simulator.handlers.progress import Progress
from vmbackup.simulator.handlers.redirect import stay
from vmbackup.simulator.incoming import Reader, Upload, content, next_member
from vmbackup.simulator.lifecycle import is_upgrading
from vmbackup.simulator.provisioning import assert_fitted, measure
from vmbackup.simulator.receiving import Receiver
from vmbackup.simulator.restoring import Restorer
from vmbackup.simulator.schema import parse_type
from vmbackup.simulator.values import encode
from vmbackup.simulator.wire import HostDied

_REFS = parse_type("VM ref set")


def import_vm(exchange: Exchange) -> None:
    """Take a VM's image."""
    with authenticated(exchange, "put_import"):
        perform(exchange, "VM import", lambda task: _import(exchange, task))


def target_repository(exchange: Exchange) -> str | None:
    """Give the ref of the repository that the request names, or None. Raises XapiError for an unknown one."""
    request, db = exchange.request, exchange.pool.db
    ref, uuid = request.parameter("sr_id"), request.parameter("sr_uuid")
    if ref is not None:
        db.get("SR", ref)
        return ref
    return None if uuid is None else db.by_uuid("SR", uuid)


def assert_importable(exchange: Exchange) -> None:
    """Raise Rejected for a request that is refused before its body is read, whatever it holds."""
    request = exchange.request
    if is_upgrading(exchange.pool.db):
        raise Rejected(http.bad_request(request.version), XapiError("NOT_SUPPORTED_DURING_UPGRADE"))
    if "transfer-encoding" in request.headers:
        raise Rejected(http.forbidden(request.version), XapiError("IMPORT_ERROR_CANNOT_HANDLE_CHUNKED"))


def accept(exchange: Exchange, task: str) -> None:
    """Send the 200 that says nothing about success."""
    head = (
        "HTTP/1.1 200 OK\r\nConnection: close\r\nCache-Control: no-cache, no-store\r\n"
        f"task-id:{task}\r\ncontent-type: application/octet-stream\r\n\r\n"
    )
    exchange.wire.write([head.encode()])


def _import(exchange: Exchange, task: str) -> None:
    request, pool = exchange.request, exchange.pool
    repository = target_repository(exchange)
    if repository is None:
        repository = pool.record["default_SR"]
        if not pool.db.has("SR", repository):
            raise XapiError("DEFAULT_SR_NOT_FOUND", repository)
    assert_importable(exchange)
    if pool.db.get("SR", repository)["content_type"] == "iso":
        raise Rejected(http.bad_request(request.version), XapiError("SR_OPERATION_NOT_SUPPORTED", repository))
    stay(exchange, [repository])
    rules = pool.faults.for_body(request.target)
    accept(exchange, task)
    tasks.take(pool, task, exchange.host)
    vms = _receive(exchange, task, repository, rules)
    complete(exchange, task, [rule for rule in rules if not isinstance(rule, TaskFails)], encode(vms, _REFS))


def read_document(exchange: Exchange, reader: Reader) -> manuscript.Manuscript:
    """Read the first member of an archive. Raises XapiError when that is no `ova.xml` that this host can read."""
    reader.sniff()
    first = next_member(reader)
    if first.name != "ova.xml":
        raise XapiError("IMPORT_ERROR_UNEXPECTED_FILE", "ova.xml", first.name)
    major, _, minor = exchange.pool.settings.profile.software["xapi"].partition(".")
    return manuscript.read(content(reader, first), (int(major), int(minor)))


def _receive(exchange: Exchange, task: str, repository: str, rules: list[BodyRule]) -> list[str]:
    query = exchange.request.query
    force = query.get("force") == "true"
    upload = Upload(exchange, task, rules)
    reader = Reader(upload)
    document = read_document(exchange, reader)
    restorer = Restorer(exchange.pool, document, repository, query.get("restore") == "true", task)
    try:
        restorer.make()
        _note_objects(exchange, task)
        upload.records_made()
        _read_disks(exchange, task, restorer, reader, force=force)
        for rule in rules:
            if isinstance(rule, TaskFails):
                raise XapiError(rule.code, *rule.params)  # noqa: TRY301  it must be undone like any other failure
    except BaseException as error:
        if not (force or _left_behind(exchange, task, error)):
            restorer.undo()
        raise
    with exchange.pool.db.change():
        for vm in restorer.vms:
            exchange.pool.db.set("VM", vm, current_operations={})
    return restorer.vms


def _left_behind(exchange: Exchange, task: str, error: BaseException) -> bool:
    """Say whether nobody is there any more to undo an import: its host died, or the toolstack restarted.

    Whose task somebody has destroyed still does.
    """
    pool = exchange.pool
    restarted = tasks.is_lost(pool, task) and task not in pool.dismissed
    return isinstance(error, HostDied) or restarted or tasks.is_orphaned(pool, task)


def _note_objects(exchange: Exchange, task: str) -> None:
    db = exchange.pool.db
    with db.change():
        db.set("task", task, other_config={**db.get("task", task)["other_config"], "object_creation": "complete"})


def _read_disks(exchange: Exchange, task: str, restorer: Restorer, reader: Reader, *, force: bool) -> None:
    pool = exchange.pool
    disks = [(folder, pool.db.get("VDI", vdi)) for folder, vdi in sorted(restorer.disks.items())]
    progress = Progress(pool, task, sum(disk["virtual_size"] for _, disk in disks))
    receiver = Receiver(reader, force, progress.step)
    for folder, disk in disks:
        receiver.disk(folder, disk["virtual_size"], pool.disks.path(disk["uuid"]))
        measure(pool.db, pool.disks, restorer.disks[folder])
        assert_fitted(pool.db, disk["SR"])
