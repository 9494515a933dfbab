"""What a restore had begun: destroyed until it is whole, and from then on only freed of its marks."""

from pathlib import Path

import pytest
from tests.core.xapi.dying import reconcile
from tests.core.xapi.pool import MIB, begin, export, state

from vmbackup.journal import Journal
from vmbackup.models import VM
from vmbackup.simulator import CallFails, DiskSpec, Simulator, TaskGone
from vmbackup.xapi import patience
from vmbackup.xapi.marks import IMPORT_TASK, OWNER, RESTORING
from vmbackup.xapi.session import Session
from vmbackup.xapi.transfers import Request, upload
from vmbackup.xapi.unmake import unmake

SIGN = "the sign"


@pytest.fixture
def image(session: Session, journal: Journal, vm: VM) -> bytes:
    snapshot = str(session.call("VM.snapshot", vm.ref, "for a test"))
    data = export(session, journal, snapshot)
    for vbd in session.record("VM", snapshot)["VBDs"]:  # type: ignore[attr-defined]
        if session.record("VBD", vbd)["type"] == "Disk":
            session.call("VDI.destroy", session.record("VBD", vbd)["VDI"])
    session.call("VM.destroy", snapshot)
    return data


def send(session: Session, journal: Journal, image: bytes) -> str:
    return upload(session, journal, Request("/import", {}, "import"), [image], len(image), sign=SIGN)


def networks(sim: Simulator) -> list[tuple[str, dict[str, str]]]:
    return sorted((network["name_label"], network["other_config"]) for network in sim.records("network").values())


def lose_the_networks(sim: Simulator) -> None:
    """No network is found any more, by name or by bridge, so that an import makes one."""
    with sim.editing() as pool:
        for number, network in enumerate(pool.db.table("network")):
            pool.db.set("network", network, name_label=f"renamed {number}", bridge=f"xenbr{number + 7}")


def test_what_an_import_has_made_is_marked_and_goes(
    sim: Simulator, session: Session, journal: Journal, image: bytes
) -> None:
    lose_the_networks(sim)
    before, around = state(sim), networks(sim)
    intent = journal.intend("restored", mark=SIGN)
    send(session, journal, image)
    marked = [
        record["other_config"][RESTORING]
        for cls in ("VM", "VDI", "network")
        for record in sim.records(cls).values()
        if RESTORING in record["other_config"]
    ]
    assert marked == [SIGN] * 4, "a VM, two disks, a network"
    assert unmake(session, journal, [intent]) == []
    assert (state(sim), networks(sim)) == (before, around)


def test_an_import_whose_task_the_pool_has_lost_goes_too(
    sim: Simulator, session: Session, journals: Path, journal: Journal, image: bytes
) -> None:
    before = state(sim)
    sim.faults.add(TaskGone(path="/import"))
    intent = journal.intend("restored", mark=SIGN)
    with pytest.raises(Exception, match="lost the task"):
        send(session, journal, image)
    assert state(sim) != before
    assert unmake(session, journal, [intent]) == []
    assert state(sim) == before
    assert journal.open == ()


def test_an_import_that_could_not_be_marked_is_not_forgotten(
    sim: Simulator, session: Session, journals: Path, image: bytes
) -> None:
    before = state(sim)
    for nth in (1, 2):
        sim.faults.add(CallFails(method="VDI.add_to_other_config", nth=nth, code="HOST_STILL_BOOTING"))
    with begin(journals) as journal:
        intent = journal.intend("restored", mark=SIGN)
        send(session, journal, image)
        assert [failure.code for failure in unmake(session, journal, [intent])] == ["HOST_STILL_BOOTING"]
        assert [one.kind for one in journal.open] == ["import", "restored"]
        assert state(sim) != before
        assert unmake(session, journal, [intent]) == []
        assert state(sim) == before
        assert journal.open == ()


def test_what_is_whole_stays_and_loses_its_marks(
    sim: Simulator, session: Session, journals: Path, journal: Journal, image: bytes
) -> None:
    before = {cls: len(sim.records(cls)) for cls in ("VM", "VDI", "network")}
    intent = journal.intend("restored", mark=SIGN)
    send(session, journal, image)
    (ref,) = [ref for ref, vm in sim.records("VM").items() if vm["other_config"].get(RESTORING) == SIGN]
    session.call("VM.add_to_other_config", ref, OWNER, "run/x")
    journal.learn(intent, whole="yes")
    assert unmake(session, journal, [intent]) == []
    assert {cls: len(sim.records(cls)) for cls in before} == {
        "VM": before["VM"] + 1,
        "VDI": before["VDI"] + 2,
        "network": before["network"],
    }
    for cls in before:
        for record in sim.records(cls).values():
            assert not [key for key in record["other_config"] if key.startswith("vmbackup")]


@pytest.mark.parametrize("used", [False, True])
def test_a_network_that_the_import_made_stays_where_it_is_in_use(
    sim: Simulator,
    session: Session,
    journal: Journal,
    vm: VM,
    used: bool,  # noqa: FBT001 - a case
) -> None:
    fields = {"name_label": "made", "name_description": "", "MTU": "1500"}
    made = str(session.call("network.create", {**fields, "other_config": {RESTORING: SIGN, "mine": "1"}}))
    other = str(session.call("network.create", {**fields, "other_config": {IMPORT_TASK: "OpaqueRef:other"}}))
    if used:
        vif = {"device": "5", "network": made, "VM": vm.ref, "MAC": "", "MTU": "1500", "other_config": {}}
        session.call("VIF.create", {**vif, "qos_algorithm_type": "", "qos_algorithm_params": {}})
    assert unmake(session, journal, [journal.intend("restored", mark=SIGN)]) == []
    found = sim.records("network")
    assert other in found
    assert (made in found) == used
    assert not used or found[made]["other_config"] == {"mine": "1"}


def test_a_disk_that_the_pool_is_yet_to_make_is_not_forgotten(
    sim: Simulator, session: Session, journals: Path, vm: VM, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "BUSY_SECONDS", 0.5)
    before = state(sim)
    sr = str(before["VDI"][vm.disks[0].ref]["SR"])
    with begin(journals) as journal:
        journal.intend("restored", mark=SIGN, srs=[sr, "OpaqueRef:gone"])
    with sim.editing() as pool:
        pool.db.set("SR", sr, current_operations={"OpaqueRef:dead": "vdi_create"})
    (failure,) = reconcile(session, journals)
    assert "a disk is being made on 'NFS storage'" in failure.message
    with sim.editing() as pool:
        pool.db.set("SR", sr, current_operations={})
    disk = {"SR": sr, "virtual_size": MIB, "type": "user", "sharable": False, "read_only": False}
    session.call("VDI.create", {**disk, "other_config": {RESTORING: SIGN}})
    assert reconcile(session, journals) == []
    assert state(sim) == before
    assert list(journals.iterdir()) == []


def test_an_import_that_goes_on_is_not_forgotten(
    sim: Simulator, session: Session, journals: Path, vm: VM, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "BUSY_SECONDS", 0.5)
    monkeypatch.setattr(patience, "SETTLE_SECONDS", 0.5)
    before = state(sim)
    task = str(session.call("task.create", "label", ""))
    session.call("task.set_progress", task, 0.5)
    half = sim.add_vm("half", [DiskSpec(MIB)], power_state="Halted", other_config={IMPORT_TASK: task})
    ref = str(session.find("VM", half))
    with sim.editing() as pool:
        pool.db.set("VM", ref, current_operations={task: "import"})
    with begin(journals) as journal:
        journal.intend("restored", mark=SIGN)
        journal.intend("import", label="label", task=task, mark=SIGN)
    for failure in reconcile(session, journals):
        assert "still importing a VM" in failure.message
    assert task in sim.records("task"), "it does not go under who works on it"
    with sim.editing() as pool:
        pool.db.set("VM", ref, current_operations={})
    assert reconcile(session, journals) == []
    assert state(sim) == before
    assert list(journals.iterdir()) == []
