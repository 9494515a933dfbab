"""Making in the pool what a method asks for: journaled before, marked after, so that it can always be unmade."""

import re
import time
import uuid
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from datetime import UTC, datetime

from vmbackup.copy_place import ROOM_ADVICE, need_of, place_for, shortage
from vmbackup.errors import BackupError, PoolError, SnapshotRefused, TimeUp, TransferError
from vmbackup.headroom import USUAL_MARGIN, Margin, refusal
from vmbackup.journal import Intent, Journal
from vmbackup.models import VM, Disk, Place
from vmbackup.xapi.inventory import read_places, read_vm, tables_of
from vmbackup.xapi.marks import STANDS, mark, mark_copy
from vmbackup.xapi.session import Session
from vmbackup.xapi.standing import Standing, last_start
from vmbackup.xapi.transfers import USUAL_LIMITS, Task
from vmbackup.xapi.unmake_copy import end_task, records_of
from vmbackup.xapi.watchdog import Limits
from vmbackup.xapi.wire import flag, number, text, texts

MIGRATIONS = ("pool_migrate", "migrate_send")
# How the result of a task names the VM that it has made.
REFERENCE = re.compile(r"OpaqueRef:[0-9A-Za-z-]+")


class PoolScratch:
    """What one backup makes in the pool. It is unmade through the journal, by this run or the next."""

    def __init__(
        self,
        session: Session,
        journal: Journal,
        margin: Margin = USUAL_MARGIN,
        limits: Limits = USUAL_LIMITS,
        copying: Callable[[], None] = lambda: None,
    ) -> None:
        """`journal` is the run's own; no snapshot is awaited beyond the deadline of `limits`.

        `copying` is called before a copy is begun: what was snapshotted need not stand still any longer.
        """
        self._session = session
        self._journal = journal
        self._margin = margin
        self._limits = limits
        self._copying = copying

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

    def copy_vm(self, snapshot: VM, sr: str, name: str) -> VM:
        """Copy a snapshot to an SR, as a halted VM that starts at nobody's word but a person's.

        The call is asynchronous, since it may take longer than any answer is waited for; the copy is found by its
        unique name if its task is lost. The marks of the snapshot's disks are copied with them (xapi: xapi_vdi.ml), and
        say that they are ours before they have their own.
        """
        made = (intent.text("uuid") for intent in self._journal.open if intent.kind == "vm-snapshot")
        if snapshot.uuid not in made:
            raise BackupError(f"{snapshot.name!r} is no snapshot that this backup has made, and is not copied")
        self._copying()
        session, run_id = self._session, self._journal.run_id
        place = self._room_for(snapshot.disks, sr)
        unique = f"vmbackup-{run_id}-{uuid.uuid4().hex[:12]}"
        intent = self._journal.intend(
            "vm-copy",
            name=unique,
            source=snapshot.uuid,
            sr=place.sr.uuid,
            originals=[disk.uuid for disk in snapshot.disks],
        )
        ref = self._copied(intent, snapshot, place)
        record = session.record("VM", ref)
        copy = read_vm(ref, record, tables_of(session, record))
        booted = last_start(record, records_of(session, record))
        self._journal.learn(intent, uuid=copy.uuid, label=name, booted=booted, disks=[disk.uuid for disk in copy.disks])
        for disk in copy.disks:
            mark_copy(session, "VDI", disk.ref, run_id)
        mark_copy(session, "VM", ref, run_id)
        # What its VM is to do by itself, this one is not; and it may have been copied from a copy.
        for key in (STANDS, "auto_poweron"):
            session.call("VM.remove_from_other_config", ref, key)
        if text(record, "ha_restart_priority"):
            session.call("VM.set_ha_restart_priority", ref, "")
        if flag(record, "is_a_template"):
            session.call("VM.set_is_a_template", ref, False)  # noqa: FBT003 - the call's own parameter
        session.call("VM.set_name_label", ref, name)
        return replace(copy, name=name)

    def standing(self, copy: VM) -> Intent:
        """Return what the journal has of a copy that is to stay. Raises BackupError for what is none of this backup."""
        for intent in self._journal.open:
            if intent.kind == "vm-copy" and intent.text("uuid") == copy.uuid:
                return intent
        raise BackupError(f"the method wants {copy.name!r} to stay, which is no copy that it had made")

    def let_stand(self, intent: Intent, vm: VM, job: str, installation: str) -> None:
        """Write down that a copy of `vm` is proven: from this line on it stays, whatever happens."""
        mark = Standing(
            copy=intent.text("uuid"),
            installation=installation,
            job=job,
            vm=vm.uuid,
            name=intent.text("label"),
            made=datetime.now(UTC).isoformat(),
            booted=intent.text("booted"),
        )
        self._journal.learn(intent, stands=str(mark))

    def _copied(self, intent: Intent, snapshot: VM, place: Place) -> str:
        """Have the pool make the copy, and return its reference."""
        doing = f"copy of {snapshot.name} to {place.sr.name}"
        try:
            task = Task(
                self._session,
                str(self._session.call("Async.VM.copy", snapshot.ref, intent.text("name"), place.ref)),
                doing,
            )
        except PoolError as error:
            self._journal.learn(intent, refused=error.xapi_code)
            raise
        self._journal.learn(intent, task=task.ref)
        result = task.result(within=None, limits=self._limits)
        end_task(self._session, task.ref)
        found = REFERENCE.search(result)
        if found is None:
            raise TransferError(f"{doing}: the pool does not say what it made: {result[:80]!r}")
        return found[0]

    def _room_for(self, disks: Collection[Disk], sr: str) -> Place:
        """Return the SR as it is now. Raises PlanError where it takes no copy, BackupError where it lacks the room."""
        tables = {name: self._session.records(name) for name in ("SR", "SM", "PBD")}
        place = place_for(sr, tuple(disks), read_places(tables))
        if lacking := shortage(need_of(tuple(disks), place).least, place, self._margin):
            raise BackupError(f"no copy was asked for: {lacking}", advice=ROOM_ADVICE)
        return place

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
        deadline = self._limits.deadline
        within = None if deadline is None else deadline - time.monotonic()
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
