"""Unmaking what a run made in the pool: by the run itself at the end of each VM, or by the next run after its death.

Every function may be repeated and may find its work half done. What is not certainly ours is left alone.
"""

import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

from vmbackup.errors import BackupError, PoolError, VmbackupError
from vmbackup.journal import Intent, Journal
from vmbackup.xapi import patience
from vmbackup.xapi.marks import RESTORING, is_marked, mark, mark_imported, remove_marks, restoring
from vmbackup.xapi.patience import await_idle, destroy, settle
from vmbackup.xapi.session import GONE, Session
from vmbackup.xapi.unmake_copy import undo_copy, undo_old_copy
from vmbackup.xapi.wire import NULL, Record, flag, mapping, moment, text, texts

# What XAPI may wait before it makes a snapshot (2 h), and what two clocks may differ.
LATEST = timedelta(hours=3)


def unmake(session: Session, journal: Journal, intents: Iterable[Intent]) -> list[VmbackupError]:
    """Unmake the things in the pool among `intents`, the latest first, and close them; return what could not be."""
    failures: list[VmbackupError] = []
    for intent in intents:
        undo = UNDO.get(intent.kind)
        if undo is None:
            continue
        try:
            undo(session, journal, intent)
        except VmbackupError as error:
            failures.append(error)
        else:
            journal.close(intent)
    return failures


def _undo_task(session: Session, _journal: Journal, intent: Intent) -> None:
    _remove_tasks(session, intent.text("label"), settle)


def _undo_import(session: Session, _journal: Journal, intent: Intent) -> None:
    """Remove the task of an import, and mark what has come of it, to the end or not: the task may be lost already."""
    _remove_tasks(session, intent.text("label"), _settle_import)
    if task := intent.text("task"):
        mark_imported(session, task, intent.text("mark"))


def _remove_tasks(session: Session, label: str, settle: Callable[[Session, str], None]) -> None:
    """Cancel and remove the tasks under our unique label. The pool forgets them by itself when it restarts."""
    for ref in session.call("task.get_by_name_label", label) or ():  # type: ignore[attr-defined]
        try:
            record = session.record("task", ref)
            if text(record, "status") == "pending":
                session.call("task.cancel", ref)
                if not is_untaken(record):
                    settle(session, ref)
                if text(session.record("task", ref), "status") == "pending":
                    # Nobody works on it, so nobody would end it, and a pending task is not destroyed (db_gc_util.ml).
                    session.call("task.set_status", ref, "cancelled")
            session.call("task.destroy", ref)
        except PoolError as error:
            if error.xapi_code not in GONE:
                raise


def is_untaken(task: Record) -> bool:
    """Whether no handler has taken the task up: then its progress is still what `transfers.own_task` set."""
    return str(task.get("progress")) in {"-1", "-1.0"}


def _settle_import(session: Session, task: str) -> None:
    """Wait until the pool is not making a VM any more under a cancelled task, which must not go while it does.

    Raises BackupError while it is, so that the intent stays open: the VM is yet to come, or to be taken away again.
    """
    settle(session, task)
    deadline = time.monotonic() + patience.BUSY_SECONDS
    while any(task in mapping(vm, "current_operations") for vm in session.records("VM").values()):
        if time.monotonic() > deadline:
            raise BackupError(
                "the pool is still importing a VM for a restore that has ended",
                advice="The next run looks for it again and removes it.",
            )
        time.sleep(patience.PAUSE_SECONDS * 5)


def _undo_vm_snapshot(session: Session, journal: Journal, intent: Intent) -> None:
    for ref, record in _snapshots(session, journal.run_id, intent):
        disks = dict(_snapshot_disks(session, record))
        # The marks stand before the VM record goes: without it they are all that says that the disks are ours.
        for disk_ref, disk in disks.items():
            if not is_marked(disk, journal.run_id):
                mark(session, "VDI", disk_ref, journal.run_id)
        journal.learn(intent, disks=sorted({*intent.texts("disks"), *(text(disk, "uuid") for disk in disks.values())}))
        destroy(session, "VM", ref)
    _destroy_marked_disks(session, journal.run_id, intent.texts("disks"))


def _snapshots(session: Session, run_id: str, intent: Intent) -> list[tuple[str, Record]]:
    """Find the snapshot by the UUID that was learnt, or by its unique name if we died before that."""
    if uuid := intent.text("uuid"):
        ref = session.find("VM", uuid)
        refs = [ref] if ref else []
    else:
        await_idle(session, "VM", intent)
        answer = session.call("VM.get_by_name_label", intent.text("name"))
        refs = [str(ref) for ref in answer] if isinstance(answer, list) else []
        if not refs:
            _check_over(intent)
    return [
        (ref, record)
        for ref, record in session.living("VM", refs)
        if flag(record, "is_a_snapshot")
        and (is_marked(record, run_id) or text(record, "name_label") == intent.text("name") or _learnt(record, intent))
    ]


def _learnt(record: Record, intent: Intent) -> bool:
    """Whether this is the very snapshot whose UUID the call itself gave us, before it was marked."""
    return text(record, "uuid") == intent.text("uuid")


def _check_over(intent: Intent) -> None:
    """Raise BackupError while a snapshot may still come of a call whose answer we did not wait for.

    The pool may not even have begun with it, so that an idle source says nothing.
    """
    left = intent.text("left")
    if left and datetime.now(UTC) < datetime.fromisoformat(left) + LATEST:
        raise BackupError(
            f"a snapshot of {intent.text('source')} was asked for, the answer not waited for, and it may still be made",
            advice="The next run looks for it again and removes it.",
        )


def _snapshot_disks(session: Session, snapshot: Record) -> Iterable[tuple[str, Record]]:
    """Yield the disks of a VM snapshot that are snapshots themselves; an inserted ISO is not."""
    for vbd_ref in texts(snapshot, "VBDs"):
        vbd = session.record("VBD", vbd_ref)
        if text(vbd, "type") != "CD" and not flag(vbd, "empty") and text(vbd, "VDI") != NULL:
            record = session.record("VDI", text(vbd, "VDI"))
            if flag(record, "is_a_snapshot"):
                yield text(vbd, "VDI"), record


def _undo_disk_snapshot(session: Session, journal: Journal, intent: Intent) -> None:
    if not intent.texts("disks"):
        await_idle(session, "VDI", intent)
        source = session.find("VDI", intent.text("source"))
        found = _unclaimed(session, source, intent) if source else []
        if not found:
            _check_over(intent)
            return
        if len(found) > 1:
            journal.close(intent)  # it will never be known, and saying so once is enough
            uuids = ", ".join(text(record, "uuid") for _, record in found)
            raise BackupError(
                f"one of the disk snapshots {uuids} may be ours, and nobody can tell which; they were left alone",
                advice="Destroy the one that nobody needs: xe vdi-destroy uuid=…",
            )
        ref, record = found[0]
        journal.learn(intent, disks=[text(record, "uuid")])
        mark(session, "VDI", ref, journal.run_id)
    for uuid in intent.texts("disks"):
        ref = session.find("VDI", uuid) or ""
        if ref and not is_marked(session.record("VDI", ref), journal.run_id):
            mark(session, "VDI", ref, journal.run_id)
    _destroy_marked_disks(session, journal.run_id, intent.texts("disks"))


def _unclaimed(session: Session, source: str, intent: Intent) -> list[tuple[str, Record]]:
    """Return the snapshots of `source` that the intent's call may have made: nobody has marked them, no VM holds them.

    Other backup programs keep the bare metadata of their snapshots in this very form, so that only what came soon
    after the intent counts, and nothing that has lost its data (xapi: xapi_vdi.ml, data_destroy).
    """
    at = intent.text("at")
    latest = datetime.fromisoformat(at) + LATEST if at else None
    return [
        (ref, record)
        for ref, record in session.living("VDI", texts(session.record("VDI", source), "snapshots"))
        if text(record, "uuid") not in intent.texts("before")
        and not texts(record, "VBDs")
        and not is_marked(record)
        and flag(record, "is_a_snapshot")
        and flag(record, "managed")
        and text(record, "type") != "cbt_metadata"
        and latest is not None
        and moment(record, "snapshot_time") <= latest
    ]


def _destroy_marked_disks(session: Session, run_id: str, uuids: Iterable[str]) -> None:
    for uuid in uuids:
        ref = session.find("VDI", uuid)
        if ref and is_marked(session.record("VDI", ref), run_id):
            destroy(session, "VDI", ref)


def _undo_blocked_operations(session: Session, _journal: Journal, intent: Intent) -> None:
    """Allow again what was blocked for our reason; what somebody else has blocked has another."""
    ref = session.find("VM", intent.text("vm"))
    if ref is None:
        return
    for operation, reason in mapping(session.record("VM", ref), "blocked_operations").items():
        if reason == intent.text("reason"):
            session.call("VM.remove_from_blocked_operations", ref, operation)


def _undo_restored(session: Session, journal: Journal, intent: Intent) -> None:
    """Destroy what a restore had begun, or, if that is whole already, only take the marks away."""
    sign = intent.text("mark")
    for other in journal.open:
        # What has come of an import must be marked before it can be known.
        if other.kind == "import" and other.text("mark") == sign:
            _undo_import(session, journal, other)
            journal.close(other)
    if intent.text("whole"):
        for ref in restoring(session, "VM", sign):
            remove_marks(session, ref)
        for ref in restoring(session, "VDI", sign):
            session.call("VDI.remove_from_other_config", ref, RESTORING)
    else:
        _await_created(session, intent)
        for ref in restoring(session, "VM", sign):
            if text(session.record("VM", ref), "power_state") != "Halted":
                session.call("VM.hard_shutdown", ref)
            destroy(session, "VM", ref)
        for ref in restoring(session, "VDI", sign):
            destroy(session, "VDI", ref)
    _remove_strays(session, sign)


def _await_created(session: Session, intent: Intent) -> None:
    """Wait until no disk is being made on the SRs of a restore: the pool goes on with a call whose caller has died.

    Raises BackupError while one is, so that the intent stays open.
    """
    deadline = time.monotonic() + patience.BUSY_SECONDS
    while busy := [
        text(record, "name_label")
        for _, record in session.living("SR", intent.texts("srs"))
        if "vdi_create" in mapping(record, "current_operations").values()
    ]:
        if time.monotonic() > deadline:
            raise BackupError(
                f"a disk is being made on {', '.join(map(repr, busy))}, which may be that of a restore that has died",
                advice="The next run looks for it again and removes it.",
            )
        time.sleep(patience.PAUSE_SECONDS)


def _remove_strays(session: Session, sign: str) -> None:
    """Destroy the networks that an import has made for want of those of its archive; one that is in use stays."""
    for ref in restoring(session, "network", sign):
        network = session.record("network", ref)
        if texts(network, "VIFs") or texts(network, "PIFs"):
            session.call("network.remove_from_other_config", ref, RESTORING)
        else:
            destroy(session, "network", ref)


UNDO = {
    "task": _undo_task,
    "import": _undo_import,
    "blocked-operations": _undo_blocked_operations,
    "vm-snapshot": _undo_vm_snapshot,
    "disk-snapshot": _undo_disk_snapshot,
    "vm-copy": undo_copy,
    "old-copy": undo_old_copy,
    "restored": _undo_restored,
}
