"""The mark that says that something is ours to destroy, and the rules that keep us from anybody else's.

`other_config` is copied by VM.snapshot and VM.copy and exported in an image, so a restored VM, or a user's snapshot of
it, can carry an old mark of ours. A mark therefore names the very object it was put on: something is ours only when it
is a snapshot **and** the UUID in its mark is its own. A copy of a VM is no snapshot, and an import may give a VM the
UUID that is in its mark, though never a disk; whether a copy is ours its disks' marks say too: see `standing.py`.
"""

from collections.abc import Iterator

from vmbackup.errors import BackupError
from vmbackup.xapi.session import Session
from vmbackup.xapi.wire import Record, flag, mapping, text, texts

OWNER = "vmbackup:owner"
RESTORING = "vmbackup:restoring"
# On a copy of a VM that is proven and stays; what it says is in `standing.py`.
STANDS = "vmbackup:stands"
# On a VM that is there for a rehearsal alone.
REHEARSING = "vmbackup:rehearsing"
# What an import puts on the VMs and networks that it makes: the reference of its task (xapi: import.ml).
IMPORT_TASK = "import_task"


def mark(session: Session, name: str, ref: str, run_id: str) -> None:
    """Put our mark on a snapshot of class `name`, in place of whatever was copied from its source.

    Raises BackupError for what is no snapshot: a mark would never make that ours.
    """
    record = session.record(name, ref)
    uuid = text(record, "uuid")
    if not flag(record, "is_a_snapshot"):
        raise BackupError(f"{name} {uuid} is no snapshot, as the pool says; it was left alone")
    put(session, name, ref, OWNER, f"{run_id}/{uuid}")


def mark_copy(session: Session, name: str, ref: str, run_id: str) -> None:
    """Put our mark on a VM that is a copy, or on a disk of it, in place of the one that was copied with it."""
    put(session, name, ref, OWNER, f"{run_id}/{text(session.record(name, ref), 'uuid')}")


def put(session: Session, name: str, ref: str, key: str, value: str) -> None:
    """Write something into `other_config`, whatever may stand there."""
    session.call(f"{name}.remove_from_other_config", ref, key)
    session.call(f"{name}.add_to_other_config", ref, key, value)


def is_marked(record: Record, run_id: str | None = None) -> bool:
    """Whether the mark on this record is its own: that of run `run_id`, or of any run."""
    return flag(record, "is_a_snapshot") and _names_itself(record, run_id)


def is_marked_copy(record: Record, run_id: str | None = None) -> bool:
    """Whether this is no snapshot, and the mark on it is its own: that of run `run_id`, or of any run."""
    return not flag(record, "is_a_snapshot") and _names_itself(record, run_id)


def _names_itself(record: Record, run_id: str | None) -> bool:
    owner, _, uuid = mapping(record, "other_config").get(OWNER, "").partition("/")
    return uuid == text(record, "uuid") != "" and run_id in {None, owner}


def mark_imported(session: Session, task: str, sign: str) -> None:
    """Put the mark of a restore on what the import under a task has made: its VMs with their disks, and networks."""
    for ref in _bearing(session, "network", IMPORT_TASK, task):
        _mark_restoring(session, "network", ref, sign)
    for vm_ref in _bearing(session, "VM", IMPORT_TASK, task):
        for ref in _disks(session, vm_ref):
            _mark_restoring(session, "VDI", ref, sign)
        _mark_restoring(session, "VM", vm_ref, sign)


def restoring(session: Session, name: str, sign: str) -> list[str]:
    """Return what of a class bears the mark of a restore.

    A snapshot that somebody took of it meanwhile has the mark by copy, and is his.
    """
    return _bearing(session, name, RESTORING, sign)


def _bearing(session: Session, name: str, key: str, value: str) -> list[str]:
    return [
        ref
        for ref, record in session.records(name).items()
        if mapping(record, "other_config").get(key) == value and not flag(record, "is_a_snapshot")
    ]


def _mark_restoring(session: Session, name: str, ref: str, sign: str) -> None:
    put(session, name, ref, RESTORING, sign)


def remove_marks(session: Session, vm_ref: str) -> None:
    """Take every mark of ours from a VM that is somebody's, and its disks: from the VM last, which leads to them."""
    for name, ref in (*(("VDI", ref) for ref in _disks(session, vm_ref)), ("VM", vm_ref)):
        for key in (OWNER, RESTORING, STANDS):
            session.call(f"{name}.remove_from_other_config", ref, key)


def _disks(session: Session, vm_ref: str) -> Iterator[str]:
    for vbd_ref in texts(session.record("VM", vm_ref), "VBDs"):
        vbd = session.record("VBD", vbd_ref)
        if text(vbd, "type") != "CD" and not flag(vbd, "empty"):
            yield text(vbd, "VDI")
