"""What a run makes in the pool, and that it is unmade from wherever a death may have left it."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.core.xapi.dying import Dying, DyingDisk, occupy, reconcile
from tests.core.xapi.pool import RUN, begin, export, state

from vmbackup.errors import BackupError, PoolError
from vmbackup.journal import Journal
from vmbackup.models import VM
from vmbackup.simulator import CallFails, Simulator
from vmbackup.xapi import patience
from vmbackup.xapi.marks import OWNER, is_marked
from vmbackup.xapi.scratch import PoolScratch
from vmbackup.xapi.session import Session
from vmbackup.xapi.unmake import unmake


def test_a_snapshot_of_a_vm(sim: Simulator, session: Session, journal: Journal, vm: VM) -> None:
    before = state(sim)
    snapshot = PoolScratch(session, journal).snapshot_vm(vm)
    record = sim.records("VM")[snapshot.ref]
    assert (record["name_label"], record["is_a_template"], record["is_a_snapshot"]) == ("web", False, True)
    assert is_marked(record, RUN)
    assert [disk.virtual_size for disk in snapshot.disks] == [disk.virtual_size for disk in vm.disks]
    assert not {disk.uuid for disk in snapshot.disks} & {disk.uuid for disk in vm.disks}
    assert all(is_marked(sim.records("VDI")[disk.ref], RUN) for disk in snapshot.disks)
    (intent,) = journal.open
    assert intent.text("uuid") == snapshot.uuid
    assert intent.texts("disks") == [disk.uuid for disk in snapshot.disks]
    assert OWNER.encode() in export(session, journal, snapshot.ref)
    assert unmake(session, journal, journal.open) == []
    assert state(sim) == before
    assert journal.open == ()


def test_a_snapshot_of_a_disk(sim: Simulator, session: Session, journal: Journal, vm: VM) -> None:
    before = state(sim)
    first = PoolScratch(session, journal).snapshot_disk(vm.disks[1])
    second = PoolScratch(session, journal).snapshot_disk(vm.disks[1])
    assert (first.position, first.virtual_size) == (1, vm.disks[1].virtual_size)
    assert first.uuid != second.uuid
    assert all(is_marked(sim.records("VDI")[disk.ref], RUN) for disk in (first, second))
    assert [intent.texts("before") for intent in journal.open] == [[first.uuid], []]
    assert unmake(session, journal, journal.open) == []
    assert state(sim) == before


def test_a_disk_that_was_exchanged_since_the_inventory_is_not_taken_for_the_vms_own(
    sim: Simulator, session: Session, journal: Journal, vm: VM
) -> None:
    """A detached disk is still in the pool: its image would be whole, and of the wrong disk."""
    with sim.editing() as pool:
        (drive,) = [ref for ref, record in pool.db.table("VBD").items() if record["uuid"] == vm.disks[0].vbd_uuid]
        pool.db.set("VBD", drive, VDI=vm.disks[1].ref)
    before = state(sim)
    with pytest.raises(BackupError, match=r"has not the disk .* any more") as caught:
        PoolScratch(session, journal).snapshot_disk(vm.disks[0])
    assert caught.value.advice == "Run the job again."
    with pytest.raises(BackupError, match="any more"):
        PoolScratch(session, journal).snapshot_disk(replace(vm.disks[0], vbd_uuid="00000000-gone"))
    assert state(sim) == before
    assert journal.open == ()


def test_a_snapshot_that_the_pool_refuses(
    sim: Simulator, session: Session, journal: Journal, vm: VM, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pool has said that there is none: nobody waits for it, however busy the VM is."""
    monkeypatch.setattr(patience, "BUSY_SECONDS", 60)
    before = state(sim)
    for method in ("VM.snapshot", "VDI.snapshot"):
        sim.faults.add(CallFails(method=method, code="SR_BACKEND_FAILURE_44", params=("", "no space", "")))
    with pytest.raises(PoolError, match="no space"):
        PoolScratch(session, journal).snapshot_vm(vm)
    with pytest.raises(PoolError, match="no space"):
        PoolScratch(session, journal).snapshot_disk(vm.disks[0])
    occupy(sim, vm, {"OpaqueRef:other": "snapshot"})
    started = time.monotonic()
    assert unmake(session, journal, journal.open) == []
    assert time.monotonic() - started < 5
    assert journal.open == ()
    occupy(sim, vm, {})
    assert state(sim) == before


D = Dying
MADE = (D.call, D.learn, D.mark_vm, D.mark_disks, D.rename, D.no_template)
DEATHS: dict[str, tuple[Callable[[Dying], None], ...]] = {
    "before the call": (),
    "after the call, before it is learnt": MADE[:1],
    "learnt, not marked": MADE[:2],
    "learnt, the copied mark gone and ours not there": (*MADE[:2], D.unmark_vm_halfway),
    "the VM marked, the disks not": MADE[:3],
    "one disk marked": (*MADE[:3], D.mark_first_disk),
    "marked, not renamed": MADE[:4],
    "renamed, still a template": MADE[:5],
    "all done": MADE,
    "not learnt, but one disk marked by a cleanup that died too": (D.call, D.mark_first_disk),
    "the VM gone, the disks there": (*MADE, D.destroy_vm),
    "the VM and one disk gone": (*MADE, D.destroy_vm, D.destroy_one_disk),
    "one disk gone, the VM there": (*MADE, D.destroy_one_disk),
    "all gone": (*MADE, D.destroy_vm, D.destroy_disks),
}


@pytest.mark.parametrize("steps", DEATHS.values(), ids=DEATHS)
def test_a_vm_snapshot_is_unmade_from_every_state(
    sim: Simulator, session: Session, journals: Path, vm: VM, steps: tuple[Callable[[Dying], None], ...]
) -> None:
    session.call("VM.add_to_other_config", vm.ref, OWNER, f"{RUN}/{vm.uuid}")
    before = state(sim)
    with begin(journals) as journal:
        dying = Dying(session, journal, vm)
        for step in steps:
            step(dying)
    assert reconcile(session, journals) == []
    assert state(sim) == before
    assert list(journals.iterdir()) == []


@pytest.mark.parametrize("nth", range(1, 6))
@pytest.mark.parametrize("method", ["VDI.add_to_other_config", "VM.destroy", "VDI.destroy"])
def test_a_cleanup_that_fails_on_the_way_is_finished_by_the_next(
    sim: Simulator, *, session: Session, journals: Path, vm: VM, method: str, nth: int
) -> None:
    before = state(sim)
    with begin(journals) as journal:
        dying = Dying(session, journal, vm)
        dying.call()
    sim.faults.add(CallFails(method=method, nth=nth, code="HOST_STILL_BOOTING"))
    failures = reconcile(session, journals)
    reached = nth <= {"VM.destroy": 1}.get(method, 2)
    assert [failure.code for failure in failures] == (["HOST_STILL_BOOTING"] if reached else [])
    assert reconcile(session, journals) == []
    assert state(sim) == before
    assert list(journals.iterdir()) == []


E = DyingDisk
DISK_DEATHS: dict[str, tuple[Callable[[DyingDisk], None], ...]] = {
    "before the call": (),
    "after the call, before it is learnt": (E.call,),
    "learnt, not marked": (E.call, E.learn),
    "marked": (E.call, E.learn, E.mark),
    "gone": (E.call, E.learn, E.mark, E.destroy),
}


@pytest.mark.parametrize("steps", DISK_DEATHS.values(), ids=DISK_DEATHS)
def test_a_disk_snapshot_is_unmade_from_every_state(
    sim: Simulator, session: Session, journals: Path, vm: VM, steps: tuple[Callable[[DyingDisk], None], ...]
) -> None:
    session.call("VDI.add_to_other_config", vm.disks[0].ref, OWNER, f"{RUN}/an-old-mark-that-is-copied")
    older = str(session.call("VDI.snapshot", vm.disks[0].ref, {}))
    session.call("VM.snapshot", vm.ref, "the user's")
    before = state(sim)
    with begin(journals) as journal:
        dying = DyingDisk(session, journal, vm, [str(before["VDI"][older]["uuid"])])
        for step in steps:
            step(dying)
    assert reconcile(session, journals) == []
    assert state(sim) == before
    assert list(journals.iterdir()) == []


def test_a_snapshot_outlives_its_disk_and_is_unmade(sim: Simulator, session: Session, journals: Path, vm: VM) -> None:
    with begin(journals) as journal:
        dying = DyingDisk(session, journal, vm, [])
        for step in (E.call, E.learn, E.mark, E.destroy_source):
            step(dying)
    assert reconcile(session, journals) == []
    assert {vm.disks[0].ref, dying.ref}.isdisjoint(state(sim)["VDI"])
    assert list(journals.iterdir()) == []


def test_migration_is_blocked_and_allowed_again(sim: Simulator, session: Session, journal: Journal, vm: VM) -> None:
    before = state(sim)
    session.call("VM.add_to_blocked_operations", vm.ref, "migrate_send", "somebody else's")
    PoolScratch(session, journal).block_migration(vm)
    record = sim.records("VM")[vm.ref]
    assert record["blocked_operations"] == {
        "migrate_send": "somebody else's",
        "pool_migrate": f"vmbackup {RUN} backs this VM up",
    }
    assert unmake(session, journal, journal.open) == []
    assert sim.records("VM")[vm.ref]["blocked_operations"] == {"migrate_send": "somebody else's"}
    session.call("VM.remove_from_blocked_operations", vm.ref, "migrate_send")
    assert state(sim) == before
    assert journal.open == ()


def test_a_vm_that_went_while_its_migration_was_blocked(
    sim: Simulator, session: Session, journal: Journal, vm: VM
) -> None:
    PoolScratch(session, journal).block_migration(vm)
    with sim.editing() as pool:
        pool.db.delete("VM", vm.ref)
    assert unmake(session, journal, journal.open) == []
    assert journal.open == ()
