"""Making in the pool what a method asks for: journaled before, marked after, so that it can always be unmade."""

import time
import uuid
from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import UTC, datetime

from vmbackup.errors import BackupError, PoolError, SnapshotRefused, TimeUp
from vmbackup.headroom import USUAL_MARGIN, Margin, refusal
from vmbackup.journal import Intent, Journal
from vmbackup.models import VM, Disk
from vmbackup.xapi.inventory import read_vm, tables_of
from vmbackup.xapi.marks import mark
from vmbackup.xapi.session import Session
from vmbackup.xapi.wire import number, text, texts

MIGRATIONS = ("pool_migrate", "migrate_send")


class PoolScratch:
    """What one backup makes in the pool. It is unmade through the journal, by this run or the next."""

    def __init__(
        self, session: Session, journal: Journal, margin: Margin = USUAL_MARGIN, deadline: float | None = None
    ) -> None:
        """`journal` is the run's own, `deadline` a moment of `time.monotonic()` that no snapshot is awaited beyond."""
        self._session = session
        self._journal = journal
        self._margin = margin
        self._deadline = deadline

    def block_migration(self, vm: VM) -> None:
        """Keep `vm` from being moved: its disks, and the snapshot's with them, would move away under the export.

        What somebody else has blocked already stays his.
        """
        reason = f"vmbackup {self._journal.run_id} backs this VM up"
        self._journal.intend("blocked-operations", vm=vm.uuid, reason=reason)
        for operation in MIGRATIONS:
            try:
                self._session.call("VM.add_to_blocked_operations", vm.ref, operation, reason)
            except PoolError as error:
                if error.xapi_code != "MAP_DUPLICATE_KEY":
                    raise

    def snapshot_vm(self, vm: VM, without: Collection[Disk] = ()) -> VM:
        """Snapshot `vm` and return the snapshot, an ordinary VM to the exporter, under the true name.

        The unique name that it is made under lets the next run find it if we die before its reference is known. An
        export of a snapshot that is still a template would be restored as one (xapi: export.ml). A pool that cannot
        leave disks out (before xapi 21.4) snapshots them all, and what is not wanted is destroyed at once.
        """
        run_id, session = self._journal.run_id, self._session
        self._check_headroom(disk for disk in vm.disks if disk not in without)
        name = f"vmbackup-{run_id}-{uuid.uuid4().hex[:12]}"
        intent = self._journal.intend("vm-snapshot", name=name, source=vm.uuid)
        ref = self._snapshot_without(intent, vm, name, [disk.ref for disk in without])
        record = session.record("VM", ref)
        tables = tables_of(session, record)
        snapshot = read_vm(ref, record, tables)
        self._journal.learn(intent, uuid=snapshot.uuid, disks=[disk.uuid for disk in snapshot.disks])
        mark(session, "VM", ref, run_id)
        for disk in snapshot.disks:
            mark(session, "VDI", disk.ref, run_id)
        unwanted = {disk.ref for disk in without}
        for disk in snapshot.disks:
            if disk.snapshot_of in unwanted:
                session.call("VDI.destroy", disk.ref)
        session.call("VM.set_name_label", ref, vm.name)
        session.call("VM.set_is_a_template", ref, False)  # noqa: FBT003 - the call's own parameter
        return replace(snapshot, disks=tuple(disk for disk in snapshot.disks if disk.snapshot_of not in unwanted))

    def snapshot_disk(self, disk: Disk) -> Disk:
        """Snapshot one disk. The snapshots that were there before are journaled, as this one cannot be named.

        Raises BackupError if the disk is not in its place any more: an old disk would be taken for the VM's own.
        """
        run_id, session = self._journal.run_id, self._session
        self._check_place(disk)
        self._check_headroom([disk])
        known = texts(session.record("VDI", disk.ref), "snapshots")
        before = [text(record, "uuid") for _, record in session.living("VDI", known)]
        now = datetime.now(UTC).isoformat()
        intent = self._journal.intend("disk-snapshot", source=disk.uuid, before=before, at=now)
        ref = self._snapshot(intent, "VDI.snapshot", disk.ref, {})
        record = session.record("VDI", ref)
        self._journal.learn(intent, disks=[text(record, "uuid")])
        mark(session, "VDI", ref, run_id)
        return replace(disk, ref=ref, uuid=text(record, "uuid"), virtual_size=number(record, "virtual_size"))

    def _snapshot_without(self, intent: Intent, vm: VM, name: str, refs: list[str]) -> str:
        """Ask for a snapshot without some disks; where the pool does not know how, for one of all of them."""
        if refs:
            try:
                return self._snapshot(intent, "VM.snapshot", vm.ref, name, refs)
            except PoolError as error:
                if error.xapi_code != "MESSAGE_PARAMETER_COUNT_MISMATCH":
                    raise
                self._journal.learn(intent, refused="")
        return self._snapshot(intent, "VM.snapshot", vm.ref, name)

    def _snapshot(self, intent: Intent, call: str, *parameters: object) -> str:
        """Make a snapshot and return its reference. Where the pool refuses, nobody need wait for it later."""
        within = None if self._deadline is None else self._deadline - time.monotonic()
        try:
            return str(self._session.call(call, *parameters, within=within))
        except PoolError as error:
            self._journal.learn(intent, refused=error.xapi_code)
            raise
        except TimeUp:
            self._journal.learn(intent, left=datetime.now(UTC).isoformat())
            raise

    def _check_headroom(self, disks: Iterable[Disk]) -> None:
        if refused := refusal(disks, self._margin):
            message, advice = refused
            raise SnapshotRefused(f"no snapshot was asked for: {message}", advice=advice)

    def _check_place(self, disk: Disk) -> None:
        vbd = self._session.find("VBD", disk.vbd_uuid)
        if vbd is None or text(self._session.record("VBD", vbd), "VDI") != disk.ref:
            raise BackupError(
                f"the VM has not the disk {disk.name!r} ({disk.uuid}) any more that it had when the run began",
                advice="Run the job again.",
            )
