"""What becomes of a copy of a VM: unmade, or, once it is proven, left to stand in the place of the older ones.

It is ours to destroy when it has the unique name that it was asked for under, or its own mark; when each of its disks
has its own mark, or that of a snapshot's disk of ours, which it was copied with; and when nobody has made it his own.
An import gives a VM the UUID that is in its mark if it is told to, but no disk (xapi: import.ml).
"""

import time
from collections.abc import Iterable, Sequence

from vmbackup.errors import BackupError
from vmbackup.journal import Intent, Journal
from vmbackup.xapi import patience
from vmbackup.xapi.marks import OWNER, STANDS, is_marked_copy, mark_copy, put, remove_marks
from vmbackup.xapi.patience import await_idle, destroy
from vmbackup.xapi.session import Session
from vmbackup.xapi.standing import Standing, Tables, claim, disks, standing
from vmbackup.xapi.wire import Record, flag, mapping, text, texts

CALL = "Async.VM.copy"
ADVICE = (
    "Keep it: xe vm-param-remove uuid={uuid} param-name=other-config param-key=vmbackup:stands. "
    "Or destroy it: xe vm-uninstall uuid={uuid}"
)


def records_of(session: Session, vm: Record) -> Tables:
    """Fetch what says what has become of a copy: its drives, their disks, its metrics."""
    vbds = dict(session.living("VBD", texts(vm, "VBDs")))
    refs = [text(vbd, "VDI") for vbd in vbds.values() if text(vbd, "type") != "CD" and not flag(vbd, "empty")]
    return {
        "VBD": vbds,
        "VDI": dict(session.living("VDI", refs)),
        "VM_metrics": dict(session.living("VM_metrics", [text(vm, "metrics")])),
    }


def end_task(session: Session, ref: str) -> None:
    """Cancel the task of a copy if it still goes on, and remove it. Raises BackupError while the pool goes on."""
    deadline = time.monotonic() + patience.BUSY_SECONDS
    for _, record in session.living("task", filter(None, [ref])):
        if text(record, "status") == "pending":
            session.call("task.cancel", ref)
        while any(text(task, "status") == "pending" for _, task in session.living("task", [ref])):
            if time.monotonic() > deadline:
                raise BackupError(
                    "the pool is still copying a VM for a backup that has ended",
                    advice="The next run looks for the copy again and removes it.",
                )
            time.sleep(patience.PAUSE_SECONDS)
        for _ in session.living("task", [ref]):
            session.call("task.destroy", ref)


def undo_copy(session: Session, journal: Journal, intent: Intent) -> None:
    """Destroy a copy, or let it stand if it is proven. Raises BackupError for what is left because it is somebody's."""
    end_task(session, intent.text("task"))
    if intent.text("stands"):
        _let_stand(session, journal, intent)
        return
    await_idle(session, "VM", intent, "copy")
    _forget_tasks(session, found := list(_made(session, journal, intent)))
    for ref, record in found:
        tables = records_of(session, record)
        names = [intent.text("name"), intent.text("label")]
        why = claim(record, tables, names=names, booted=intent.text("booted"), ours=lambda vdi: _ours(vdi, intent))
        if why:
            remove_marks(session, ref)
            journal.close(intent)
            raise BackupError(
                f"the copy {text(record, 'name_label')!r} was never proven, and is left alone, for {why}",
                advice=f"Destroy it if nobody needs it: xe vm-uninstall uuid={text(record, 'uuid')}",
            )
        # The marks stand before the VM record goes: without it they are all that says that the disks are ours.
        for disk_ref in disks(record, tables):
            mark_copy(session, "VDI", disk_ref, journal.run_id)
        uuids = {text(vdi, "uuid") for vdi in disks(record, tables).values()}
        journal.learn(intent, disks=sorted({*intent.texts("disks"), *uuids}))
        destroy(session, "VM", ref)
    _destroy_disks(session, intent.texts("disks"))
    _destroy_strays(session, journal, intent)


def _made(session: Session, journal: Journal, intent: Intent) -> Iterable[tuple[str, Record]]:
    """Yield the copy: one VM, or none."""
    for ref, record in session.records("VM").items():
        known = text(record, "uuid") == intent.text("uuid") and is_marked_copy(record, journal.run_id)
        if not flag(record, "is_a_snapshot") and (known or text(record, "name_label") == intent.text("name")):
            yield ref, record


def _ours(vdi: Record, intent: Intent) -> bool:
    """Whether a disk of the copy was made with it: it has its own mark, or one of those that were copied."""
    uuid = mapping(vdi, "other_config").get(OWNER, "").partition("/")[2]
    return not flag(vdi, "is_a_snapshot") and uuid in {text(vdi, "uuid"), *intent.texts("originals")}


def _forget_tasks(session: Session, found: Iterable[tuple[str, Record]]) -> None:
    """Remove the tasks whose result is the copy: if we died before we were told of ours, nobody else waits for it."""
    refs = {ref for ref, _ in found}
    answer = session.call("task.get_by_name_label", CALL) if refs else []
    for ref, task in session.living("task", map(str, answer if isinstance(answer, list) else [])):
        if any(made in text(task, "result") for made in refs):
            end_task(session, ref)


def _destroy_disks(session: Session, uuids: Iterable[str]) -> None:
    """Destroy disks of a copy whose VM is gone: what another VM has meanwhile, or has snapshots, is somebody's."""
    for uuid in uuids:
        ref = session.find("VDI", uuid)
        for _, record in session.living("VDI", [ref] if ref else []):
            if is_marked_copy(record) and not texts(record, "VBDs") and not texts(record, "snapshots"):
                destroy(session, "VDI", str(ref))


def _destroy_strays(session: Session, journal: Journal, intent: Intent) -> None:
    """Destroy disks that were copied for a VM that never came, as when the toolstack was restarted meanwhile.

    Each bears the mark of the disk that it was copied from. Raises BackupError where two do: one may be somebody's.
    """
    sr = session.find("SR", intent.text("sr"))
    strays: dict[str, list[tuple[str, Record]]] = {}
    for ref, record in session.records("VDI").items() if sr else ():
        owner, _, original = mapping(record, "other_config").get(OWNER, "").partition("/")
        alone = text(record, "SR") == sr and not texts(record, "VBDs") and not flag(record, "is_a_snapshot")
        if alone and owner == journal.run_id and original in intent.texts("originals"):
            strays.setdefault(original, []).append((ref, record))
    for found in strays.values():
        if len(found) > 1:
            uuids = ", ".join(text(record, "uuid") for _, record in found)
            journal.close(intent)  # it will never be known, and saying so once is enough
            raise BackupError(
                f"one of the disks {uuids} may be left of our copy, and nobody can tell which; they were left alone",
                advice="Destroy the one that nobody needs: xe vdi-destroy uuid=…",
            )
        destroy(session, "VDI", found[0][0])


def _let_stand(session: Session, journal: Journal, intent: Intent) -> None:
    """Mark a copy that is proven, and destroy those whose place it takes. Raises BackupError for those that stay."""
    new = Standing.parse(intent.text("stands"))
    ref = session.find("VM", new.copy) if new else None
    if new is None or ref is None:
        journal.close(intent)
        raise BackupError(
            f"the copy {intent.text('label')!r} ({intent.text('uuid')}) is not in the pool any more; older ones stay",
            advice="The backup on the target is good all the same. Who has removed the copy?",
        )
    put(session, "VM", ref, STANDS, str(new))
    # Without it, taking the other one away makes it anybody's.
    session.call("VM.remove_from_other_config", ref, OWNER)
    kept: list[str] = []
    for record in session.records("VM").values():
        old = standing(record)
        if old and new.succeeds(old):
            gone = journal.intend("old-copy", uuid=old.copy)
            try:
                undo_old_copy(session, journal, gone)
            except Claimed as error:
                kept.append(error.message)
                advice = error.advice
            else:
                journal.close(gone)
    if kept:
        journal.close(intent)
        raise BackupError("; ".join(kept), advice=advice)


class Claimed(BackupError):
    """A standing copy is somebody's now."""


def undo_old_copy(session: Session, journal: Journal, intent: Intent) -> None:
    """Destroy a standing copy whose place another has taken. Raises Claimed for one that somebody has made his own."""
    ref = session.find("VM", intent.text("uuid"))
    for _, record in session.living("VM", [ref] if ref else []):
        mark = standing(record)
        if mark is None:
            return
        tables = records_of(session, record)
        if why := claim(record, tables, names=[mark.name], booted=mark.booted):
            journal.close(intent)  # the next one that takes its place is told again
            raise Claimed(
                f"the older copy {text(record, 'name_label')!r} ({mark.copy}) is left alone, for {why}",
                advice=ADVICE.format(uuid=mark.copy),
            )
        uuids: Sequence[str] = [text(vdi, "uuid") for vdi in disks(record, tables).values()]
        journal.learn(intent, disks=list(uuids))
        destroy(session, "VM", str(ref))
    _destroy_disks(session, intent.texts("disks"))
