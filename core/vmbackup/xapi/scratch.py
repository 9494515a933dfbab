"""Making in the pool what a method asks for: journaled before, marked after, so that it can always be unmade."""

import uuid
from dataclasses import replace
from datetime import UTC, datetime

from vmbackup.errors import BackupError, PoolError
from vmbackup.journal import Intent, Journal
from vmbackup.models import VM, Disk
from vmbackup.xapi.inventory import read_vm, tables_of
from vmbackup.xapi.marks import mark
from vmbackup.xapi.session import Session
from vmbackup.xapi.wire import number, text, texts


class PoolScratch:
    """What one backup makes in the pool. It is unmade through the journal, by this run or the next."""

    def __init__(self, session: Session, journal: Journal) -> None:
        """`journal` is the run's own."""
        self._session = session
        self._journal = journal

    def snapshot_vm(self, vm: VM) -> VM:
        """Snapshot `vm` and return the snapshot, an ordinary VM to the exporter, under the true name.

        The unique name that it is made under lets the next run find it if we die before its reference is known. An
        export of a snapshot that is still a template would be restored as one (xapi: export.ml).
        """
        run_id, session = self._journal.run_id, self._session
        name = f"vmbackup-{run_id}-{uuid.uuid4().hex[:12]}"
        intent = self._journal.intend("vm-snapshot", name=name, source=vm.uuid)
        ref = self._snapshot(intent, "VM.snapshot", vm.ref, name)
        record = session.record("VM", ref)
        tables = tables_of(session, record)
        snapshot = read_vm(ref, record, tables)
        self._journal.learn(intent, uuid=snapshot.uuid, disks=[disk.uuid for disk in snapshot.disks])
        mark(session, "VM", ref, run_id)
        for disk in snapshot.disks:
            mark(session, "VDI", disk.ref, run_id)
        session.call("VM.set_name_label", ref, vm.name)
        session.call("VM.set_is_a_template", ref, False)  # noqa: FBT003 - the call's own parameter
        return snapshot

    def snapshot_disk(self, disk: Disk) -> Disk:
        """Snapshot one disk. The snapshots that were there before are journaled, as this one cannot be named.

        Raises BackupError if the disk is not in its place any more: an old disk would be taken for the VM's own.
        """
        run_id, session = self._journal.run_id, self._session
        self._check_place(disk)
        known = texts(session.record("VDI", disk.ref), "snapshots")
        before = [text(record, "uuid") for _, record in session.living("VDI", known)]
        now = datetime.now(UTC).isoformat()
        intent = self._journal.intend("disk-snapshot", source=disk.uuid, before=before, at=now)
        ref = self._snapshot(intent, "VDI.snapshot", disk.ref, {})
        record = session.record("VDI", ref)
        self._journal.learn(intent, disks=[text(record, "uuid")])
        mark(session, "VDI", ref, run_id)
        return replace(disk, ref=ref, uuid=text(record, "uuid"), virtual_size=number(record, "virtual_size"))

    def _snapshot(self, intent: Intent, call: str, *parameters: object) -> str:
        """Make a snapshot and return its reference. Where the pool refuses, nobody need wait for it later."""
        try:
            return str(self._session.call(call, *parameters))
        except PoolError as error:
            self._journal.learn(intent, refused=error.xapi_code)
            raise

    def _check_place(self, disk: Disk) -> None:
        vbd = self._session.find("VBD", disk.vbd_uuid)
        if vbd is None or text(self._session.record("VBD", vbd), "VDI") != disk.ref:
            raise BackupError(
                f"the VM has not the disk {disk.name!r} ({disk.uuid}) any more that it had when the run began",
                advice="Run the job again.",
            )
