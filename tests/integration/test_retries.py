"""What may pass by itself is tried again from a new snapshot; a session that is lost is renewed."""

import pytest
from tests.integration.world import World, job

from vmbackup.results import exit_code
from vmbackup.simulator import CallFails, CallHook, Cut

MORE = 'retries = 2\nretry-wait = "1s"'


def test_an_export_that_was_cut_is_made_again(world: World) -> None:
    world.configure(job("web*", more=MORE))
    before = world.records()
    world.pool.faults.add(Cut(after=1_000_000))
    world.pool.faults.add(
        CallFails(method="VM.snapshot", nth=2, code="OTHER_OPERATION_IN_PROGRESS", params=("VM", "x"))
    )
    report = world.run()
    assert exit_code(report) == 0
    assert [warning.step for warning in report.all_warnings] == ["retry", "retry"]
    assert "web 01" in report.all_warnings[0].message
    assert len(report.results) == 1
    assert len(world.backups()) == 1
    assert all(verdict.good for verdict in world.verify_all())
    assert world.records() == before
    assert exit_code(report, strict=True) == 5


def test_what_does_not_pass_is_told_at_once(world: World) -> None:
    world.configure(job("web*", more=MORE))
    calls: list[int] = []
    world.pool.faults.add(CallFails(method="VM.snapshot", nth=None, code="VM_HAS_VUSBS", params=("OpaqueRef:x",)))
    world.pool.faults.add(CallHook(method="VM.snapshot", nth=None, run=lambda: calls.append(1)))
    assert exit_code(world.run()) == 4
    assert len(calls) <= 1


@pytest.mark.parametrize("method", ["VM.get_record", "task.create", "VM.destroy", "VDI.destroy", "task.destroy"])
def test_a_session_that_is_lost_in_mid_run_is_renewed(world: World, method: str) -> None:
    before = world.records()

    def forget() -> None:
        with world.pool.editing() as pool:
            for ref in list(pool.db.table("session")):
                pool.db.delete("session", ref)

    world.pool.faults.add(CallHook(method=method, run=forget, when="after"))
    logins: list[int] = []
    world.pool.faults.add(CallHook(method="session.login_with_password", nth=None, run=lambda: logins.append(1)))
    report = world.run()
    assert exit_code(report) == 0, report
    assert report.all_warnings == ()
    assert len(logins) == 2
    assert world.records() == before
    assert world.journals() == []
