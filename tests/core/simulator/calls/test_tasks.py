import threading
import time
from pathlib import Path

import pytest
from tests.core.simulator.client import Client, Refused

from vmbackup.simulator import CallHook, DiskSpec, Simulator


def test_a_task_is_made_set_and_destroyed(xapi: Client) -> None:
    task = xapi("task.create", "label", "text")
    record = xapi("task.get_record", task)
    assert (record["status"], record["progress"], record["type"]) == ("pending", 0.0, "<none/>")
    assert (record["result"], record["error_info"], record["allowed_operations"]) == ("", [], ["cancel"])
    assert record["finished"].value == "19700101T00:00:00Z"
    xapi("task.set_progress", task, -1.0)
    assert xapi("task.get_progress", task) == -1.0
    xapi("task.add_to_other_config", task, "k", "v")
    xapi("task.set_status", task, "failure")
    assert xapi("task.get_status", task) == "failure"
    xapi("task.destroy", task)
    with pytest.raises(Refused) as caught:
        xapi("task.get_status", task)
    assert caught.value.details == ["HANDLE_INVALID", "task", task]


def test_a_pending_task_is_only_flagged_for_destruction(sim: Simulator, xapi: Client) -> None:
    vm = xapi.vm(sim.add_vm("a"))
    go, reached = threading.Event(), threading.Event()

    def pause() -> None:
        reached.set()
        go.wait(10)

    sim.faults.add(CallHook(method="VM.snapshot", run=pause))
    task = xapi("Async.VM.snapshot", vm, "s")
    assert reached.wait(5)
    xapi("task.destroy", task)
    assert xapi("task.get_status", task) == "pending"
    go.set()
    while task in sim.records("task"):
        pass
    assert len(xapi("VM.get_snapshots", vm)) == 1


def test_a_waiting_call_can_be_cancelled(sim: Simulator, xapi: Client) -> None:
    vm = xapi.vm(sim.add_vm("a", [DiskSpec(4096)], power_state="Halted"))
    with sim.editing() as pool:
        pool.db.set("VM", vm, current_operations={"somebody": "export"})
    task = xapi("Async.VM.destroy", vm)
    xapi("task.cancel", task)
    record = xapi.wait(task)
    assert (record["status"], record["error_info"]) == ("cancelled", ["TASK_CANCELLED", task])


def test_a_conflict_is_retried_until_it_is_over(sim: Simulator, xapi: Client) -> None:
    vm = xapi.vm(sim.add_vm("a", power_state="Halted"))
    with sim.editing() as pool:
        pool.db.set("VM", vm, current_operations={"somebody": "export"})
    task = xapi("Async.VM.destroy", vm)
    assert xapi("task.get_status", task) == "pending"
    with sim.editing() as pool:
        pool.db.set("VM", vm, current_operations={})
    assert xapi.wait(task)["status"] == "success"


def test_no_more_than_a_hundred_wait_for_a_conflict_to_end(tmp_path: Path) -> None:
    with Simulator(tmp_path, tls=False, retry_seconds=600) as sim:
        xapi = Client(sim)
        vm = xapi.vm(sim.add_vm("a"))
        with sim.editing() as pool:
            pool.db.set("VM", vm, current_operations={"OpaqueRef:another": "clean_shutdown"})
        waiting = [xapi("Async.VM.snapshot", vm, "s") for _ in range(100)]
        while pool.waiting < 100:
            time.sleep(0.01)
        with pytest.raises(Refused) as caught:
            xapi("VM.snapshot", vm, "one too many")
        assert caught.value.details == ["TOO_MANY_PENDING_TASKS"]
        with sim.editing():
            pool.db.set("VM", vm, current_operations={})
        assert {xapi.wait(task)["status"] for task in waiting} == {"success"}
        assert pool.waiting == 0


def test_stopping_does_not_wait_for_a_conflict(sim: Simulator, xapi: Client) -> None:
    disk = xapi.disks(xapi.vm(sim.add_vm("a", [DiskSpec(4096)])))[0]
    with sim.editing() as pool:
        pool.db.set("SR", disk["SR"], current_operations={"somebody": "scan"})
    task = xapi("Async.VDI.snapshot", disk["ref"])
    assert xapi("task.get_status", task) == "pending"
    started = time.monotonic()
    sim.stop()
    assert time.monotonic() - started < 2
    assert sim.records("task")[task]["error_info"][0] == "OTHER_OPERATION_IN_PROGRESS"
