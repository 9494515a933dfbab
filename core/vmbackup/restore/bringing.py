"""Carrying a plan out: what it makes bears the mark of the restore until somebody calls it whole."""

import contextlib
from dataclasses import dataclass
from datetime import UTC, datetime

from vmbackup.errors import TargetError, VerificationFailed, VerificationUnread
from vmbackup.journal import Intent
from vmbackup.restore.disk_blocks import UsedBlocks
from vmbackup.restore.ends import Destination, Source
from vmbackup.restore.filling import Used, make_disks
from vmbackup.restore.interfaces import wire_up
from vmbackup.restore.records import new_vbd, new_vif, new_vm
from vmbackup.restore.whole_vm import import_image, import_records
from vmbackup.restore.wishes import RestorePlan
from vmbackup.verify import keep, result_of, verify


@dataclass(frozen=True, slots=True)
class Brought:
    """What is in the pool now, by references: the VM, "" where a disk came alone, and the VDIs that were filled."""

    vm: str
    vdis: tuple[str, ...]


def prove(source: Source, plan: RestorePlan) -> Used:
    """Read the backup back before the first byte goes to the pool, unless forced.

    Returns which blocks of its disks hold something, where single disks are sent out of a whole VM's image. Raises
    VerificationFailed or VerificationUnread.
    """
    backup = source.backup
    if plan.force:
        return {}
    singly = plan.way in {"disk", "disks"}
    used = {planned.disk.uuid: UsedBlocks() for planned in plan.disks if singly}
    sinks = {uuid: blocks.take for uuid, blocks in used.items()}
    verdict = verify(backup, source.repository, source.registry, source.tell, sinks=sinks)
    if result := result_of(verdict, datetime.now(UTC)):
        # Whether that can be kept, too, is no question of the restore.
        with contextlib.suppress(TargetError):
            keep(result, backup, source.repository)
    wrong = "; ".join(f"{wrong.file}: {wrong.message}" for wrong in verdict.wrong)
    if verdict.word == "unread":
        raise VerificationUnread(
            f"{backup.address} could not be read, and nothing was restored: {wrong}",
            advice="It may be none the worse: see to the target, and try again.",
        )
    if not verdict.good:
        raise VerificationFailed(
            f"{backup.address} is not whole, and nothing was restored: {wrong}",
            advice="Restore another backup of this VM; --force sends this one as it is.",
        )
    return {uuid: blocks.numbers for uuid, blocks in used.items()}


def intend(destination: Destination) -> Intent:
    """Write down that things are about to be made, all of which bear the mark."""
    return destination.journal.intend("restored", mark=destination.sign)


def bring_in(source: Source, destination: Destination, plan: RestorePlan, used: Used, intent: Intent) -> Brought:
    """Make in the pool what the plan says, halted; what it has made when it fails is the caller's to unmake."""
    session = destination.session
    if plan.way == "import":
        return Brought(import_image(source, destination, plan), ())
    # Where the pool may still be making a disk for a restore that has died.
    destination.journal.learn(intent, srs=sorted({planned.storage.ref for planned in plan.disks}))
    made = make_disks(source, destination, plan, used)
    vdis = tuple(made.values())
    if plan.way == "disks":
        return Brought(import_records(source, destination, plan, made), vdis)
    vm = plan.host.ref if plan.host else ""
    if plan.way == "machine":
        vm = str(session.call("VM.create", new_vm(plan.ova, plan.name, destination.sign)))
        records = {vif.text("device"): vif.record for vif in plan.ova.of_class("VIF")}
        for vif in plan.vifs:
            session.call("VIF.create", new_vif(records[vif.device], vm, vif.network.ref, vif.mac))
    if vm:
        for planned in plan.disks:
            session.call("VBD.create", new_vbd(vm, made[planned.disk.uuid], planned.disk))
    return Brought(vm, vdis)


def dress(destination: Destination, plan: RestorePlan, vm: str) -> None:
    """Give a VM that came whole its name, tags, networks and MACs."""
    session = destination.session
    session.call("VM.set_name_label", vm, plan.name)
    wire_up(session, vm, plan.vifs)
    for tag in plan.tags:
        session.call("VM.add_tags", vm, tag)
