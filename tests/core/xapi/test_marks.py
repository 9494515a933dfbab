"""The mark: it names the very object that it was put on, so that a copy of it makes nothing ours."""

import pytest
from tests.core.xapi.pool import RUN, vm_called

from vmbackup.errors import BackupError
from vmbackup.simulator import Simulator
from vmbackup.xapi.marks import OWNER, RESTORING, is_marked, mark, remove_marks
from vmbackup.xapi.session import Session
from vmbackup.xapi.wire import mapping, text


def test_a_mark_names_the_run_and_the_object(session: Session) -> None:
    ref = str(session.call("VM.snapshot", vm_called(session, "web").ref, "x"))
    assert not is_marked(session.record("VM", ref))
    mark(session, "VM", ref, RUN)
    record = session.record("VM", ref)
    assert mapping(record, "other_config")[OWNER] == f"{RUN}/{text(record, 'uuid')}"
    assert is_marked(record)
    assert is_marked(record, RUN)
    assert not is_marked(record, "another")


def test_a_mark_takes_the_place_of_a_copied_one(session: Session) -> None:
    vm = vm_called(session, "web")
    session.call("VM.add_to_other_config", vm.ref, OWNER, f"{RUN}/somebody-else")
    ref = str(session.call("VM.snapshot", vm.ref, "x"))
    assert not is_marked(session.record("VM", ref))
    mark(session, "VM", ref, RUN)
    assert is_marked(session.record("VM", ref), RUN)
    mark(session, "VM", ref, RUN)
    assert is_marked(session.record("VM", ref), RUN), "twice is no error"


def test_what_is_no_snapshot_is_never_marked(sim: Simulator, session: Session) -> None:
    vm = vm_called(session, "web")
    for name, ref in (("VM", vm.ref), ("VDI", vm.disks[0].ref)):
        with pytest.raises(BackupError, match="is no snapshot"):
            mark(session, name, ref, RUN)
        assert OWNER not in mapping(session.record(name, ref), "other_config")


@pytest.mark.parametrize(
    ("owner", "uuid", "snapshot", "ours"),
    [
        ("run/u1", "u1", True, True),
        ("run/u2", "u1", True, False),
        ("run/u1", "u1", False, False),
        ("run", "u1", True, False),
        ("run/", "", True, False),
        ("", "", True, False),
        ("other/u1", "u1", True, False),
    ],
)
def test_what_is_ours(owner: str, uuid: str, snapshot: bool, ours: bool) -> None:  # noqa: FBT001 - a table of cases
    record = {"other_config": {OWNER: owner}, "uuid": uuid, "is_a_snapshot": snapshot}
    assert is_marked(record, "run") is ours
    assert not is_marked({**record, "other_config": {}}, "run")


def test_a_restored_vm_loses_every_mark_and_nothing_else(sim: Simulator, session: Session) -> None:
    vm = vm_called(session, "web")
    for key, value in ((OWNER, "run/x"), ("mine", "1")):
        session.call("VM.add_to_other_config", vm.ref, key, value)
    for disk in vm.disks:
        for key, value in ((OWNER, "run/x"), (RESTORING, "x"), ("mine", "1")):
            session.call("VDI.add_to_other_config", disk.ref, key, value)
    remove_marks(session, vm.ref)
    assert OWNER not in sim.records("VM")[vm.ref]["other_config"]
    assert sim.records("VM")[vm.ref]["other_config"]["mine"] == "1"
    assert [sim.records("VDI")[disk.ref]["other_config"] for disk in vm.disks] == [{"mine": "1"}] * 2
