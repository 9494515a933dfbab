"""What takes its time to be unmade: busy VMs, held disks, tasks; and what a dead restore had begun."""

import time
from pathlib import Path

import pytest
from tests.core.xapi.dying import Dying, DyingDisk, occupy, reconcile
from tests.core.xapi.pool import RUN, begin, state

from vmbackup.journal import Intent, Journal
from vmbackup.models import VM
from vmbackup.simulator import CallFails, CallHook, Simulator
from vmbackup.xapi import patience
from vmbackup.xapi.marks import RESTORING
from vmbackup.xapi.scratch import PoolScratch
from vmbackup.xapi.session import Session
from vmbackup.xapi.unmake import unmake


@pytest.mark.parametrize("operation", ["snapshot", "pool_migrate"])
@pytest.mark.parametrize("kind", ["vm-snapshot", "disk-snapshot"])
def test_a_snapshot_that_the_pool_is_yet_to_make_is_not_forgotten(
    sim: Simulator,
    *,
    session: Session,
    journals: Path,
    vm: VM,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    operation: str,
) -> None:
    """The caller is dead, the pool goes on, or waits for something else to end: the next run must look again."""
    monkeypatch.setattr(patience, "BUSY_SECONDS", 0.3)
    before = state(sim)
    with begin(journals) as journal:
        dying = DyingDisk(session, journal, vm, []) if kind == "disk-snapshot" else Dying(session, journal, vm)
    occupy(sim, vm, {"OpaqueRef:task": operation})
    (failure,) = reconcile(session, journals)
    assert f"busy ({operation})" in failure.message
    assert "The next run" in failure.advice
    occupy(sim, vm, {})
    dying.call()
    assert state(sim) != before
    assert reconcile(session, journals) == []
    assert state(sim) == before
    assert list(journals.iterdir()) == []


def test_a_snapshot_that_is_done_in_a_moment_is_waited_for(
    sim: Simulator, session: Session, journals: Path, vm: VM
) -> None:
    before = state(sim)
    with begin(journals) as journal:
        dying = Dying(session, journal, vm)
    occupy(sim, vm, {"OpaqueRef:task": "snapshot"})

    def done() -> None:
        occupy(sim, vm, {})
        dying.call()

    sim.faults.add(CallHook(method="VM.get_record", about=vm.ref, nth=2, run=done))
    assert reconcile(session, journals) == []
    assert dying.ref, "the hook has run"
    assert state(sim) == before


@pytest.mark.parametrize("code", ["VDI_IN_USE", "OTHER_OPERATION_IN_PROGRESS", "SR_BACKEND_FAILURE_46"])
def test_a_disk_that_is_still_held_is_waited_for(
    sim: Simulator, *, session: Session, journal: Journal, vm: VM, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "PAUSE_SECONDS", 0.02)
    before = state(sim)
    PoolScratch(session, journal).snapshot_disk(vm.disks[0])
    sim.faults.add(CallFails(method="VDI.destroy", code=code))
    assert unmake(session, journal, journal.open) == []
    assert state(sim) == before


def test_a_disk_that_is_held_for_good_stays_in_the_journal(
    sim: Simulator, session: Session, journals: Path, vm: VM, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "PAUSE_SECONDS", 0.02)
    monkeypatch.setattr(patience, "IN_USE_SECONDS", 0.2)
    before = state(sim)
    with begin(journals) as journal:
        PoolScratch(session, journal).snapshot_disk(vm.disks[0])
        sim.faults.add(CallFails(method="VDI.destroy", nth=None, code="VDI_IN_USE"))
        (failure,) = unmake(session, journal, journal.open)
        assert failure.code == "VDI_IN_USE"
        assert len(journal.open) == 1
    sim.faults.clear()
    assert reconcile(session, journals) == []
    assert state(sim) == before


@pytest.mark.parametrize("untaken", [True, False])
def test_a_task_of_a_dead_run(
    sim: Simulator,
    session: Session,
    journals: Path,
    monkeypatch: pytest.MonkeyPatch,
    untaken: bool,  # noqa: FBT001 - a table of cases
) -> None:
    """Found by its label: the pool may have made it without our learning its reference."""
    monkeypatch.setattr(patience, "SETTLE_SECONDS", 0.2 if not untaken else 60.0)
    label = f"vmbackup-{RUN}-task"
    ours = str(session.call("task.create", label, "export"))
    others = str(session.call("task.create", f"{label}-2", "export"))
    if untaken:
        session.call("task.set_progress", ours, -1.0)
    with begin(journals) as journal:
        journal.intend("task", label=label)
    started = time.monotonic()
    assert reconcile(session, journals) == []
    assert time.monotonic() - started < 5
    assert list(sim.records("task")) == [others]
    session.call("task.set_status", others, "cancelled")
    session.call("task.destroy", others)


@pytest.mark.parametrize("status", ["success", "failure", "cancelled"])
def test_a_task_that_has_ended(sim: Simulator, session: Session, journal: Journal, status: str) -> None:
    ref = str(session.call("task.create", "vmbackup-x", "export"))
    session.call("task.set_status", ref, status)
    intents: list[Intent] = [journal.intend("task", label="vmbackup-x"), journal.intend("task", label="never-made")]
    assert unmake(session, journal, intents) == []
    assert sim.records("task") == {}


def test_a_task_that_goes_while_it_is_removed(sim: Simulator, session: Session, journal: Journal) -> None:
    def vanish() -> None:
        with sim.editing() as pool:
            for ref in list(pool.db.table("task")):
                pool.db.delete("task", ref)

    session.call("task.create", "vmbackup-x", "export")
    sim.faults.add(CallHook(method="task.cancel", run=vanish))
    assert unmake(session, journal, [journal.intend("task", label="vmbackup-x")]) == []
    assert journal.open == ()


def test_what_a_dead_restore_had_begun(sim: Simulator, session: Session, journals: Path, vm: VM) -> None:
    before = state(sim)
    half = sim.add_vm("half restored", power_state="Halted", other_config={RESTORING: "the sign"})
    whole = sim.add_vm("restored earlier", power_state="Halted", other_config={RESTORING: "another sign"})
    ref = str(session.find("VM", half))
    sr = str(before["VDI"][vm.disks[0].ref]["SR"])
    disk = {"SR": sr, "virtual_size": 1 << 20, "type": "user", "sharable": False, "read_only": False}
    session.call("VDI.create", {**disk, "other_config": {RESTORING: "the sign"}})
    copied = str(session.call("VM.snapshot", ref, "somebody's, by copy"))
    with begin(journals) as journal:
        journal.intend("restored", mark="the sign")
    assert reconcile(session, journals) == []
    after = state(sim)
    assert {record["uuid"] for record in after["VM"].values()} == {
        *(record["uuid"] for record in before["VM"].values()),
        whole,
        after["VM"][copied]["uuid"],
    }
    assert after["VDI"] == before["VDI"]
