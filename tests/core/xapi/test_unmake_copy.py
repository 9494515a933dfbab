"""A copy of a VM: what is made, that it is unmade from wherever a death may have left it, and what is never touched."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.core.xapi.dying import reconcile
from tests.core.xapi.pool import RUN, begin, state

from vmbackup.errors import BackupError, PlanError, PoolError
from vmbackup.journal import Journal
from vmbackup.models import VM
from vmbackup.simulator import CallFails, Simulator
from vmbackup.simulator.database import Record
from vmbackup.xapi.inventory import read_inventory, read_pool
from vmbackup.xapi.marks import OWNER, STANDS, mark_copy
from vmbackup.xapi.scratch import PoolScratch
from vmbackup.xapi.session import Session
from vmbackup.xapi.standing import Standing, standing
from vmbackup.xapi.unmake import unmake

NAME = f"vmbackup-{RUN}-00000000c0b1"
State = dict[str, dict[str, Record]]


@pytest.fixture
def vault(sim: Simulator) -> str:
    return sim.add_sr("vault")


@pytest.fixture
def before(sim: Simulator, vault: str) -> State:
    """The pool with nothing of ours in it."""
    assert vault
    return state(sim)


class Making:
    """Makes the copy of a VM's snapshot by hand, step by step, so that a test can stop behind each."""

    def __init__(self, sim: Simulator, session: Session, journal: Journal, vm: VM, vault: str) -> None:
        self.sim = sim
        self.session = session
        self.journal = journal
        self.snapshot = PoolScratch(session, journal).snapshot_vm(vm)
        originals = [disk.uuid for disk in self.snapshot.disks]
        self.intent = journal.intend("vm-copy", name=NAME, source=self.snapshot.uuid, sr=vault, originals=originals)
        self.sr = str(session.find("SR", vault))
        self.ref = ""

    def ask(self) -> None:
        self.task = str(self.session.call("Async.VM.copy", self.snapshot.ref, NAME, self.sr))

    def learn_task(self) -> None:
        self.journal.learn(self.intent, task=self.task)

    def arrive(self) -> None:
        while self.session.record("task", self.task)["status"] == "pending":
            pass
        (self.ref,) = [ref for ref, vm in self.sim.records("VM").items() if vm["name_label"] == NAME]

    def forget_task(self) -> None:
        self.session.call("task.destroy", self.task)

    @property
    def disks(self) -> dict[str, Record]:
        drives = [self.sim.records("VBD")[vbd] for vbd in self.sim.records("VM")[self.ref]["VBDs"]]
        return {one["VDI"]: self.sim.records("VDI")[one["VDI"]] for one in drives if one["type"] == "Disk"}

    def learn(self) -> None:
        uuids = [str(disk["uuid"]) for disk in self.disks.values()]
        self.journal.learn(self.intent, uuid=str(self.session.record("VM", self.ref)["uuid"]), label="b", disks=uuids)

    def mark_first_disk(self) -> None:
        mark_copy(self.session, "VDI", next(iter(self.disks)), RUN)

    def mark_disks(self) -> None:
        for disk in self.disks:
            mark_copy(self.session, "VDI", disk, RUN)

    def mark_vm(self) -> None:
        mark_copy(self.session, "VM", self.ref, RUN)

    def rename(self) -> None:
        self.session.call("VM.set_name_label", self.ref, "b")

    def destroy_vm(self) -> None:
        self.session.call("VM.destroy", self.ref)

    def destroy_first_disk(self) -> None:
        disk = next(vdi for vdi in self.sim.records("VDI") if self.sim.records("VDI")[vdi]["SR"] == self.sr)
        self.session.call("VDI.destroy", disk)


Step = Callable[[Making], None]
STEPS: tuple[Step, ...] = (
    *(Making.ask, Making.learn_task, Making.arrive, Making.forget_task, Making.learn, Making.mark_first_disk),
    *(Making.mark_disks, Making.mark_vm, Making.rename, Making.destroy_vm, Making.destroy_first_disk),
)


@pytest.mark.parametrize("count", range(len(STEPS) + 1))
def test_whatever_a_death_has_left_is_unmade(
    sim: Simulator, session: Session, journals: Path, *, vm: VM, vault: str, before: State, count: int
) -> None:
    with begin(journals) as journal:
        making = Making(sim, session, journal, vm, vault)
        for step in STEPS[:count]:
            step(making)
    assert reconcile(session, journals) == []
    assert state(sim) == before
    assert list(journals.iterdir()) == []


def test_a_copy_whose_task_nobody_noted_takes_the_task_with_it(
    sim: Simulator, session: Session, journals: Path, *, vm: VM, vault: str, before: State
) -> None:
    with begin(journals) as journal:
        making = Making(sim, session, journal, vm, vault)
        making.ask()
        making.arrive()
    assert reconcile(session, journals) == []
    assert state(sim) == before


def test_disks_that_a_restart_has_left_without_a_vm_are_destroyed(
    sim: Simulator, session: Session, journals: Path, *, vm: VM, vault: str, before: State
) -> None:
    with begin(journals) as journal:
        making = Making(sim, session, journal, vm, vault)
        session.call("VDI.copy", making.snapshot.disks[0].ref, making.sr)
    assert reconcile(session, journals) == []
    assert state(sim) == before


def test_of_two_that_may_be_left_none_is_touched(
    sim: Simulator, session: Session, journals: Path, *, vm: VM, vault: str, before: State
) -> None:
    with begin(journals) as journal:
        making = Making(sim, session, journal, vm, vault)
        mine = [str(session.call("VDI.copy", making.snapshot.disks[0].ref, making.sr)) for _ in range(2)]
    (failure,) = reconcile(session, journals)
    assert "nobody can tell which" in failure.message
    assert set(mine) <= set(state(sim)["VDI"])
    assert reconcile(session, journals) == [], "it is said once"


@pytest.fixture
def copied(sim: Simulator, session: Session, journal: Journal, vm: VM, vault: str) -> tuple[VM, Journal]:
    """A copy as a method gets it."""
    scratch = PoolScratch(session, journal)
    return scratch.copy_vm(scratch.snapshot_vm(vm), vault, "a copy"), journal


def test_what_a_method_gets(sim: Simulator, vm: VM, copied: tuple[VM, Journal]) -> None:
    copy, _ = copied
    record = sim.records("VM")[copy.ref]
    assert (copy.name, record["name_label"], record["power_state"]) == ("a copy", "a copy", "Halted")
    assert [disk.position for disk in copy.disks] == [disk.position for disk in vm.disks]
    assert [disk.virtual_size for disk in copy.disks] == [disk.virtual_size for disk in vm.disks]
    assert {disk.sr.name for disk in copy.disks} == {"vault"}
    assert record["other_config"][OWNER] == f"{RUN}/{copy.uuid}"
    assert sim.records("task") == {}


def test_a_copy_that_is_not_proven_and_that_somebody_has_started_is_left_with_no_mark(
    sim: Simulator, session: Session, copied: tuple[VM, Journal]
) -> None:
    copy, journal = copied
    session.call("VM.start", copy.ref, False, False)  # noqa: FBT003 - the call's own parameters
    (failure,) = unmake(session, journal, journal.open)
    assert "never proven, and is left alone, for it is running" in failure.message
    assert OWNER not in sim.records("VM")[copy.ref]["other_config"]
    assert unmake(session, journal, journal.open) == []
    assert copy.ref in sim.records("VM")


def test_a_copy_with_somebodys_disk_is_left(
    sim: Simulator, session: Session, vm: VM, copied: tuple[VM, Journal]
) -> None:
    copy, journal = copied
    with sim.editing() as pool:
        (drive,) = [ref for ref, one in pool.db.table("VBD").items() if one["uuid"] == copy.disks[1].vbd_uuid]
        pool.db.set("VBD", drive, VDI=vm.disks[1].ref)
    (failure,) = unmake(session, journal, journal.open)
    assert "is none of those that it was made with" in failure.message
    assert {copy.ref, vm.ref} <= set(sim.records("VM"))
    assert {copy.disks[0].ref, vm.disks[1].ref} <= set(sim.records("VDI"))


def _stand(session: Session, journal: Journal, vm: VM, vault: str, job: str = "job") -> VM:
    scratch = PoolScratch(session, journal)
    copy = scratch.copy_vm(scratch.snapshot_vm(vm), vault, "a copy")
    scratch.let_stand(scratch.standing(copy), vm, job, "here")
    return copy


def test_a_proven_copy_stands_and_the_older_one_goes(
    sim: Simulator, session: Session, journal: Journal, *, vm: VM, vault: str, before: State
) -> None:
    old = _stand(session, journal, vm, vault)
    assert unmake(session, journal, journal.open) == []
    new = _stand(session, journal, vm, vault)
    assert {old.ref, new.ref} <= set(sim.records("VM")), "until the new one is marked"
    assert unmake(session, journal, journal.open) == []
    marks = {ref: standing(record) for ref, record in sim.records("VM").items() if standing(record)}
    assert [(ref, mark and (mark.vm, mark.job, mark.name)) for ref, mark in marks.items()] == [
        (new.ref, (vm.uuid, "job", "a copy"))
    ]
    assert len(sim.records("VDI")) == len(before["VDI"]) + len(vm.disks)
    inventory = read_inventory(session, read_pool(session))
    assert [one.name for one in inventory.vms] == ["web"]
    assert inventory.copied == {("job", vm.uuid)}


@pytest.mark.parametrize("times", [1, 2, 3, 4, 5, 6, 7, 8])
def test_what_goes_wrong_while_the_older_one_goes_is_done_again(
    sim: Simulator, session: Session, journals: Path, *, vm: VM, vault: str, times: int
) -> None:
    """Whichever call fails, the new copy stays and the next run has the older one gone."""
    with begin(journals) as journal:
        old = _stand(session, journal, vm, vault)
        assert unmake(session, journal, journal.open) == []
        new = _stand(session, journal, vm, vault)
        calls = ("VM.remove_from_other_config", "VM.add_to_other_config", "VM.destroy", "VDI.destroy")
        fault = CallFails(method=calls[(times - 1) % 4], nth=1 + (times > 4), code="INTERNAL_ERROR", params=("odd",))
        sim.faults.add(fault)
        unmake(session, journal, journal.open)
        sim.faults.clear()
        assert new.ref in sim.records("VM")
    assert reconcile(session, journals) == []
    assert [ref for ref, record in sim.records("VM").items() if standing(record)] == [new.ref]
    assert not {disk.ref for disk in old.disks} & set(sim.records("VDI"))
    assert {disk.ref for disk in new.disks} <= set(sim.records("VDI"))


def test_a_copy_that_is_gone_takes_no_place(
    sim: Simulator, session: Session, journal: Journal, vm: VM, vault: str
) -> None:
    old = _stand(session, journal, vm, vault)
    assert unmake(session, journal, journal.open) == []
    new = _stand(session, journal, vm, vault)
    session.call("VM.destroy", new.ref)
    (failure, *_) = unmake(session, journal, journal.open)
    assert "is not in the pool any more; older ones stay" in failure.message
    assert old.ref in sim.records("VM")


def test_a_younger_copy_is_never_destroyed_for_an_older_one(
    sim: Simulator, session: Session, journal: Journal, vm: VM, vault: str
) -> None:
    """A dead run's journal may be read when another run has made the next copy already."""
    first = _stand(session, journal, vm, vault)
    intent = PoolScratch(session, journal).standing(first)
    late = Standing.parse(intent.text("stands"))
    assert late is not None
    second = _stand(session, journal, vm, vault)
    unmake(session, journal, [one for one in journal.open if one.number > intent.number])
    old = replace(late, made=(datetime.now(UTC) - timedelta(days=1)).isoformat())
    journal.learn(intent, stands=str(old))
    assert unmake(session, journal, journal.open) == []
    assert {first.ref, second.ref} <= set(sim.records("VM"))


def test_another_job_and_another_installation_keep_theirs(
    sim: Simulator, session: Session, journal: Journal, vm: VM, vault: str
) -> None:
    kept = _stand(session, journal, vm, vault, job="another")
    assert unmake(session, journal, journal.open) == []
    _stand(session, journal, vm, vault)
    assert unmake(session, journal, journal.open) == []
    assert kept.ref in sim.records("VM")
    with sim.editing() as pool:
        other = replace(standing(pool.db.get("VM", kept.ref)), installation="there", job="job")  # type: ignore[type-var]
        config = pool.db.get("VM", kept.ref)["other_config"]
        pool.db.set("VM", kept.ref, other_config={**config, STANDS: str(other)})
    _stand(session, journal, vm, vault)
    assert unmake(session, journal, journal.open) == []
    assert kept.ref in sim.records("VM")


def test_what_the_pool_refuses(session: Session, sim: Simulator, journal: Journal, vm: VM, vault: str) -> None:
    scratch = PoolScratch(session, journal)
    snapshot = scratch.snapshot_vm(vm)
    before = state(sim)
    with pytest.raises(BackupError, match="no snapshot that this backup has made"):
        scratch.copy_vm(vm, vault, "a copy")
    with pytest.raises(PlanError, match="no SR 'nowhere'"):
        scratch.copy_vm(snapshot, "nowhere", "a copy")
    sim.faults.add(CallFails(method="VM.copy", code="SR_FULL", params=("1", "0")))
    with pytest.raises(PoolError) as raised:
        scratch.copy_vm(snapshot, vault, "a copy")
    assert raised.value.xapi_code == "SR_FULL"
    assert unmake(session, journal, [one for one in journal.open if one.kind == "vm-copy"]) == []
    assert state(sim) == before
    with pytest.raises(BackupError, match="no copy that it had made"):
        scratch.standing(snapshot)
