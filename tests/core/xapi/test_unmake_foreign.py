"""What looks like ours and is not: whatever a dead run's journal says, it stays as it is."""

from pathlib import Path

import pytest
from tests.core.xapi.dying import NAME, DyingDisk, reconcile
from tests.core.xapi.pool import RUN, begin, state

from vmbackup.models import VM
from vmbackup.simulator import Simulator
from vmbackup.xapi.marks import OWNER, mark
from vmbackup.xapi.session import Session
from vmbackup.xapi.unmake import unmake


def test_copied_marks_make_nothing_ours(sim: Simulator, session: Session, journals: Path, vm: VM) -> None:
    """A VM that was restored by foreign means carries old marks, and so does every snapshot that its user takes."""
    session.call("VM.add_to_other_config", vm.ref, OWNER, f"{RUN}/0000-the-old-snapshot")
    for disk in vm.disks:
        session.call("VDI.add_to_other_config", disk.ref, OWNER, f"{RUN}/0000-the-old-disk")
    users = str(session.call("VM.snapshot", vm.ref, "before the upgrade"))
    disks = str(session.call("VDI.snapshot", vm.disks[0].ref, {}))
    before = state(sim)
    with begin(journals) as journal:
        journal.intend("vm-snapshot", name=NAME, source=vm.uuid)
        known = [str(before["VDI"][ref]["uuid"]) for ref in before["VDI"][vm.disks[0].ref]["snapshots"]]
        journal.intend("disk-snapshot", source=vm.disks[0].uuid, before=known, at="2999-01-01T00:00:00+00:00")
    assert reconcile(session, journals) == []
    assert state(sim) == before
    assert {users} < set(before["VM"])
    assert {disks} < set(before["VDI"])
    assert list(journals.iterdir()) == []


def test_disks_that_a_journal_names_and_that_are_no_snapshots_stay(
    sim: Simulator, session: Session, journals: Path, vm: VM
) -> None:
    before = state(sim)
    with begin(journals) as journal:
        intent = journal.intend("vm-snapshot", name=NAME, source=vm.uuid)
        journal.learn(intent, uuid=vm.uuid, disks=[disk.uuid for disk in vm.disks])
    assert reconcile(session, journals) == []
    assert state(sim) == before
    with begin(journals) as journal:
        intent = journal.intend("disk-snapshot", source=vm.disks[0].uuid, before=[], at="2999-01-01T00:00:00+00:00")
        journal.learn(intent, disks=[vm.disks[0].uuid])
    (failure,) = reconcile(session, journals)
    assert "is no snapshot" in failure.message
    assert state(sim) == before


def test_a_vm_that_has_our_name_is_no_snapshot_of_ours(
    sim: Simulator, session: Session, journals: Path, vm: VM
) -> None:
    sim.add_vm(NAME, power_state="Halted")
    before = state(sim)
    with begin(journals) as journal:
        journal.intend("vm-snapshot", name=NAME, source=vm.uuid)
    assert reconcile(session, journals) == []
    assert state(sim) == before


def test_another_runs_snapshots_stay(sim: Simulator, session: Session, journals: Path, vm: VM) -> None:
    other = str(session.call("VM.snapshot", vm.ref, "vmbackup-another"))
    mark(session, "VM", other, "another")
    disk = str(session.call("VDI.snapshot", vm.disks[0].ref, {}))
    mark(session, "VDI", disk, "another")
    before = state(sim)
    with begin(journals) as journal:
        journal.intend("vm-snapshot", name=NAME, source=vm.uuid)
        journal.intend("disk-snapshot", source=vm.disks[0].uuid, before=[], at="2999-01-01T00:00:00+00:00")
    assert reconcile(session, journals) == []
    assert state(sim) == before


def test_of_two_candidates_neither_is_touched_and_it_is_said_once(
    sim: Simulator, session: Session, journals: Path, vm: VM
) -> None:
    with begin(journals) as journal:
        dying = DyingDisk(session, journal, vm, [])
        dying.call()
        users = str(session.call("VDI.snapshot", vm.disks[0].ref, {}))
    before = state(sim)
    (failure,) = reconcile(session, journals)
    assert before["VDI"][users]["uuid"] in failure.message
    assert before["VDI"][dying.ref]["uuid"] in failure.message
    assert state(sim) == before
    # When the user has removed one of them, the other is no more ours than before.
    session.call("VDI.destroy", dying.ref)
    assert reconcile(session, journals) == []
    assert users in state(sim)["VDI"]


@pytest.mark.parametrize(
    "fields",
    [
        {"snapshot_time": "29990101T00:00:00Z"},
        {"type": "cbt_metadata"},
        {"managed": False},
        {"is_a_snapshot": False},
    ],
    ids=str,
)
def test_a_lone_candidate_that_cannot_be_ours_stays(
    sim: Simulator, session: Session, journals: Path, vm: VM, fields: dict[str, object]
) -> None:
    """Such as another program's snapshot of a later day, or what it keeps of one whose data it has purged."""
    with begin(journals) as journal:
        dying = DyingDisk(session, journal, vm, [])
        dying.call()
        with sim.editing() as pool:
            pool.db.set("VDI", dying.ref, **fields)
    before = state(sim)
    assert reconcile(session, journals) == []
    assert state(sim) == before


def test_a_candidate_that_somebody_has_attached_stays(sim: Simulator, session: Session, journals: Path, vm: VM) -> None:
    with begin(journals) as journal:
        dying = DyingDisk(session, journal, vm, [])
        dying.call()
        drive = {"VM": vm.ref, "VDI": dying.ref, "userdevice": "9", "bootable": False, "mode": "RO", "type": "Disk"}
        more = {"empty": False, "other_config": {}, "qos_algorithm_type": "", "qos_algorithm_params": {}}
        session.call("VBD.create", {**drive, **more})
    before = state(sim)
    assert reconcile(session, journals) == []
    assert state(sim) == before


def test_an_intent_of_an_unknown_kind_is_left_to_who_knows_it(session: Session, journals: Path) -> None:
    with begin(journals) as journal:
        journal.intend("folder", folder="x")
        assert unmake(session, journal, journal.open) == []
        assert [intent.kind for intent in journal.open] == ["folder"]
