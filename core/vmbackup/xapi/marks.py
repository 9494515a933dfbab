"""The mark that says that a snapshot is ours to destroy, and the rule that keeps us from anybody else's.

`other_config` is copied by VM.snapshot and exported in an image, so a restored VM, or a user's snapshot of it, can
carry an old mark of ours. A mark therefore names the very object it was put on: something is ours only when it is a
snapshot **and** the UUID in its mark is its own.
"""

from collections.abc import Iterator

from vmbackup.errors import BackupError
from vmbackup.xapi.session import Session
from vmbackup.xapi.wire import Record, flag, mapping, text, texts

OWNER = "vmbackup:owner"
RESTORING = "vmbackup:restoring"
# On a VM that is there for a rehearsal alone.
REHEARSING = "vmbackup:rehearsing"


def mark(session: Session, name: str, ref: str, run_id: str) -> None:
    """Put our mark on a snapshot of class `name`, in place of whatever was copied from its source.

    Raises BackupError for what is no snapshot: a mark would never make that ours.
    """
    record = session.record(name, ref)
    uuid = text(record, "uuid")
    if not flag(record, "is_a_snapshot"):
        raise BackupError(f"{name} {uuid} is no snapshot, as the pool says; it was left alone")
    session.call(f"{name}.remove_from_other_config", ref, OWNER)
    session.call(f"{name}.add_to_other_config", ref, OWNER, f"{run_id}/{uuid}")


def is_marked(record: Record, run_id: str | None = None) -> bool:
    """Whether the mark on this record is its own: that of run `run_id`, or of any run."""
    owner, _, uuid = mapping(record, "other_config").get(OWNER, "").partition("/")
    return flag(record, "is_a_snapshot") and uuid == text(record, "uuid") != "" and run_id in {None, owner}


def mark_restoring(session: Session, vm_ref: str, sign: str) -> None:
    """Put the mark of a restore on a VM that an import has just made, and on its disks."""
    for name, ref in (("VM", vm_ref), *(("VDI", ref) for ref in _disks(session, vm_ref))):
        session.call(f"{name}.remove_from_other_config", ref, RESTORING)
        session.call(f"{name}.add_to_other_config", ref, RESTORING, sign)


def remove_marks(session: Session, vm_ref: str) -> None:
    """Take every mark of ours from a restored VM and its disks."""
    for name, ref in (("VM", vm_ref), *(("VDI", ref) for ref in _disks(session, vm_ref))):
        for key in (OWNER, RESTORING):
            session.call(f"{name}.remove_from_other_config", ref, key)


def _disks(session: Session, vm_ref: str) -> Iterator[str]:
    for vbd_ref in texts(session.record("VM", vm_ref), "VBDs"):
        vbd = session.record("VBD", vbd_ref)
        if text(vbd, "type") != "CD" and not flag(vbd, "empty"):
            yield text(vbd, "VDI")
