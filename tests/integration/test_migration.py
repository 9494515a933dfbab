"""A VM stays where it is while it is exported, and may be moved again afterwards, whatever came of the run."""

import os
import signal
import subprocess
from functools import partial

import pytest
import XenAPI
from tests.integration.world import MIB, World, command, job, stranger

from vmbackup.results import exit_code
from vmbackup.simulator import BodyHook, CallFails, Cut

BODIES = {"vm-export": "/export", "vdi-export": "/export_raw_vdi"}


def blocked(world: World) -> dict[str, str]:
    (record,) = [
        vm for vm in world.pool.records("VM").values() if vm["name_label"] == "web 01" and not vm["is_a_snapshot"]
    ]
    return dict(record["blocked_operations"])


@pytest.mark.parametrize("method", BODIES)
def test_a_vm_is_not_moved_during_its_export(world: World, method: str) -> None:
    world.configure(job("web*", more=f'method = "{method}"'))
    before = world.records()
    during: list[dict[str, str]] = []
    refused: list[str] = []

    def try_to_move() -> None:
        during.append(blocked(world))
        with stranger(world) as session:
            vm = next(ref for ref, record in world.pool.records("VM").items() if record["name_label"] == "web 01")
            host = session.xenapi.host.get_all()[0]
            with pytest.raises(XenAPI.Failure) as caught:
                session.xenapi.VM.pool_migrate(vm, host, {})
            refused.extend(caught.value.details)

    world.pool.faults.add(BodyHook(path=BODIES[method], after=MIB, run=try_to_move))
    assert exit_code(world.run()) == 0
    assert [sorted(operations) for operations in during] == [["migrate_send", "pool_migrate"]]
    assert all(reason.startswith("vmbackup ") for reason in during[0].values())
    assert refused[0] == "OPERATION_BLOCKED"
    assert refused[2] == during[0]["pool_migrate"]
    assert blocked(world) == {}
    assert world.records() == before


def test_what_somebody_else_has_blocked_stays_blocked(world: World) -> None:
    with stranger(world) as session:
        (vm,) = session.xenapi.VM.get_by_name_label("web 01")
        session.xenapi.VM.add_to_blocked_operations(vm, "pool_migrate", "not on Fridays")
    during: list[dict[str, str]] = []
    world.pool.faults.add(BodyHook(after=MIB, run=lambda: during.append(blocked(world))))
    assert exit_code(world.run()) == 0
    assert during[0]["pool_migrate"] == "not on Fridays"
    assert during[0]["migrate_send"].startswith("vmbackup ")
    assert blocked(world) == {"pool_migrate": "not on Fridays"}


def test_a_vm_may_be_moved_again_after_a_failure(world: World) -> None:
    before = world.records()
    world.pool.faults.add(Cut(after=MIB))
    assert exit_code(world.run()) == 4
    assert world.records() == before


def test_a_vm_that_could_not_be_freed_is_freed_by_the_next_run(world: World) -> None:
    before = world.records()
    code = "OTHER_OPERATION_IN_PROGRESS"
    world.pool.faults.add(CallFails(method="VM.remove_from_blocked_operations", nth=None, code=code, params=("VM",)))
    report = world.run()
    assert exit_code(report) == 0
    assert [warning.step for warning in report.all_warnings] == ["cleanup"]
    assert sorted(blocked(world)) == ["migrate_send", "pool_migrate"]
    world.pool.faults.clear()
    assert exit_code(world.run(), strict=True) == 0
    assert world.records() == before


@pytest.mark.parametrize("method", BODIES)
def test_a_vm_may_be_moved_again_after_the_next_run_where_one_was_killed(world: World, method: str) -> None:
    world.configure(job("web*", more=f'method = "{method}"'))
    before = world.records()
    process = subprocess.Popen(
        command("run", "test"), env=world.environ(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    kill = partial(os.kill, process.pid, signal.SIGKILL)
    world.pool.faults.add(BodyHook(path=BODIES[method], after=MIB, run=kill))
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert sorted(blocked(world)) == ["migrate_send", "pool_migrate"]
    (warning,) = world.run().all_warnings
    assert warning.step == "death"
    assert blocked(world) == {}
    assert world.records() == before
