"""Bringing a backup back into a pool: planned first, then a whole VM, a VM around one disk, or a disk alone.

A restore depends on the manifest alone, never on today's configuration of jobs. What it makes is journaled, bears a
mark until it is whole, and is gone again if it fails; a restored VM bears no mark of ours.
"""

from vmbackup.errors import PoolError, RestoreError, VmbackupError
from vmbackup.images import read_ova
from vmbackup.restore.bringing import bring_in, dress, intend, prove
from vmbackup.restore.ends import Destination, Restored, Source
from vmbackup.restore.plan import plan_restore, refuse
from vmbackup.restore.wishes import PlannedDisk, PlannedVIF, RestorePlan, Wishes
from vmbackup.xapi.inventory import read_vm, tables_of
from vmbackup.xapi.session import Session
from vmbackup.xapi.surroundings import Network, read_surroundings
from vmbackup.xapi.unmake import unmake
from vmbackup.xapi.wire import text

__all__ = [
    "Destination",
    "PlannedDisk",
    "PlannedVIF",
    "RestorePlan",
    "Restored",
    "Source",
    "Wishes",
    "plan_for",
    "restore",
]


def plan_for(source: Source, session: Session, wishes: Wishes, only: Network | None = None) -> RestorePlan:
    """Plan how a backup comes back into the pool as that is now; all its interfaces are on `only`, if there is one.

    Raises RestoreError for a dump of the pool database, which never goes into a running pool by itself.
    """
    if source.backup.manifest.image is None:
        raise RestoreError(
            f"{source.backup.address} is a dump of the pool database, which never goes into a running pool by itself",
            advice="Take the file and try: xe pool-restore-database file-name=… dry-run=true",
        )
    return plan_restore(source.backup, read_ova(source.metadata()), read_surroundings(session), wishes, only)


def restore(source: Source, destination: Destination, plan: RestorePlan) -> Restored:
    """Bring a backup back as planned.

    Raises PlanError where the plan has problems; VerificationFailed or VerificationUnread before the first byte goes to
    the pool; RestoreError, PoolError or TransferError where the pool does not take it, with nothing of it left there;
    RestoreError, too, for a VM that stays but is not all that it should be, or does not start.
    """
    refuse(plan)
    used = prove(source, plan)
    session, journal = destination.session, destination.journal
    intent = intend(destination)
    trouble: VmbackupError | None = None
    try:
        brought = bring_in(source, destination, plan, used, intent)
        if plan.way != "disk":
            trouble = _dress(destination, plan, brought.vm)
    except BaseException:
        unmake(session, journal, [intent])
        raise
    # From this line on a death has the next run take the marks away, and not what bears them.
    journal.learn(intent, whole="yes")
    unmarked = unmake(session, journal, [intent])
    trouble = trouble or next(iter(unmarked), None)
    if not brought.vm:
        (vdi,) = brought.vdis
        return Restored("", "", {plan.disks[0].disk.position: text(session.record("VDI", vdi), "uuid")})
    record = session.record("VM", brought.vm)
    vm = read_vm(brought.vm, record, tables_of(session, record))
    if trouble is not None:
        raise RestoreError(
            f"{vm.name} ({vm.uuid}) is restored and stays, but not as it should be: {trouble.message}",
            advice=trouble.advice,
        ) from trouble
    if plan.start:
        try:
            start(session, brought.vm, vm.power_state)
        except PoolError as error:
            raise RestoreError(
                f"{vm.name} ({vm.uuid}) is restored and stays, but does not start: {error.message}", advice=error.advice
            ) from error
    brought_back = {planned.disk.position for planned in plan.disks}
    return Restored(vm.uuid, vm.name, {disk.position: disk.uuid for disk in vm.disks if disk.position in brought_back})


def _dress(destination: Destination, plan: RestorePlan, vm: str) -> VmbackupError | None:
    """Return what kept the VM from being as planned: hours of an import are not thrown away for a name."""
    try:
        dress(destination, plan, vm)
    except VmbackupError as error:
        return error
    return None


def start(session: Session, vm: str, power_state: str) -> None:
    """Start a VM, or go on with one that is suspended. Raises PoolError."""
    session.call("VM.resume" if power_state == "Suspended" else "VM.start", vm, False, False)  # noqa: FBT003 - the call's own parameters
