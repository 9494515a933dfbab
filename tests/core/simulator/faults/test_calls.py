import threading
import time

import pytest
from tests.core.simulator.client import Client, Refused

from vmbackup.simulator import CallFails, CallStalls, CallTaskGone, DiskSpec, ReplyLost, SessionLost, Simulator

PLAIN = (False, False)  # neither paused nor forced


def refused(xapi: Client, method: str, *params: object) -> list[str]:
    with pytest.raises(Refused) as caught:
        xapi(method, *params)
    return caught.value.details


def rpc(xapi: Client, method: str, *params: str) -> bytes:
    values = "".join(f"<param><value>{value}</value></param>" for value in (xapi.session, *params))
    return f"<methodCall><methodName>{method}</methodName><params>{values}</params></methodCall>".encode()


@pytest.mark.parametrize("end", ["close", "reset"])
@pytest.mark.parametrize("method", ["VM.snapshot", "Async.VM.snapshot"])
def test_the_reply_is_lost_but_the_call_takes_effect(
    sim: Simulator, xapi: Client, vm: str, method: str, end: str
) -> None:
    sim.faults.add(ReplyLost(method="VM.snapshot", end="reset" if end == "reset" else "close"))
    reply = xapi.rpc(rpc(xapi, method, vm, "lost"))
    assert (reply.status, reply.body, reply.reset) == ("", b"", end == "reset")
    deadline = time.monotonic() + 10
    while not xapi("VM.get_snapshots", vm):
        assert time.monotonic() < deadline
    assert xapi("VM.snapshot", vm, "heard")


def test_the_reply_that_says_no_is_lost_too(sim: Simulator, xapi: Client, vm: str) -> None:
    sim.faults.add(ReplyLost(method="VM.snapshot"))
    sim.faults.add(CallFails(method="VM.snapshot", code="SR_FULL"))
    assert xapi.rpc(rpc(xapi, "VM.snapshot", vm, "s")).status == ""
    assert xapi("VM.get_snapshots", vm) == []


def test_a_session_is_lost_once(sim: Simulator, xapi: Client, vm: str) -> None:
    sim.faults.add(SessionLost(method="VM.snapshot"))
    lost = xapi.session
    assert refused(xapi, "VM.snapshot", vm, "s") == ["SESSION_INVALID", lost]
    assert refused(xapi, "VM.get_all") == ["SESSION_INVALID", lost]
    assert Client(sim)("VM.get_snapshots", vm) == []


def test_sessions_are_lost_for_good(sim: Simulator, xapi: Client) -> None:
    rule = sim.faults.add(SessionLost(method="*", nth=2, onwards=True))
    assert xapi("VM.get_all")
    for _ in range(2):
        fresh = Client(sim)
        assert refused(fresh, "VM.get_all") == ["SESSION_INVALID", fresh.session]
    sim.faults.remove(rule)
    assert Client(sim)("VM.get_all")


def test_a_call_stands_still_until_the_rule_is_taken_back(sim: Simulator, xapi: Client, vm: str) -> None:
    rule = sim.faults.add(CallStalls(method="VM.snapshot"))
    task = xapi("Async.VM.snapshot", vm, "s")
    time.sleep(0.2)
    assert xapi("task.get_status", task) == "pending"
    assert xapi("VM.get_snapshots", vm) == []
    sim.faults.remove(rule)
    assert xapi.wait(task)["status"] == "success"


def test_a_call_that_stands_still_can_be_cancelled(sim: Simulator, xapi: Client, vm: str) -> None:
    sim.faults.add(CallStalls(method="VM.snapshot"))
    task = xapi("Async.VM.snapshot", vm, "s")
    xapi("task.cancel", task)
    assert xapi.wait(task)["status"] == "cancelled"
    assert xapi("VM.get_snapshots", vm) == []


def test_a_call_answers_late(sim: Simulator, xapi: Client, vm: str) -> None:
    sim.faults.add(CallStalls(method="VM.snapshot", seconds=0.4, when="after"))
    caller = threading.Thread(target=lambda: xapi("VM.snapshot", vm, "s"))
    began = time.monotonic()
    caller.start()
    while not sim.records("VM")[vm]["snapshots"]:
        assert time.monotonic() - began < 10
    assert caller.is_alive()
    caller.join(10)
    assert time.monotonic() - began > 0.4


def test_the_task_of_a_call_is_gone_though_the_call_took_effect(sim: Simulator, xapi: Client, vm: str) -> None:
    sim.faults.add(CallTaskGone(method="VM.snapshot"))
    task = xapi("Async.VM.snapshot", vm, "s")
    deadline = time.monotonic() + 10
    while task in xapi("task.get_all"):
        assert time.monotonic() < deadline
    assert refused(xapi, "task.get_status", task) == ["HANDLE_INVALID", "task", task]
    assert len(xapi("VM.get_snapshots", vm)) == 1


def test_a_rule_counts_from_a_call_onwards(sim: Simulator, xapi: Client, vm: str) -> None:
    sim.faults.add(CallFails(method="VM.add_tags", code="NO", nth=2, onwards=True))
    xapi("VM.add_tags", vm, "1")
    for _ in range(2):
        assert refused(xapi, "VM.add_tags", vm, "2") == ["NO"]


@pytest.mark.parametrize(
    ("code", "params"),
    [
        ("NO_HOSTS_AVAILABLE", ()),
        ("HOST_NOT_ENOUGH_FREE_MEMORY", ("2147483648", "1073741824")),
        ("SR_BACKEND_FAILURE_46", ("", "The VDI is not available [opterr=simulated]", "")),
    ],
)
@pytest.mark.parametrize("method", ["VM.start", "VM.start_on"])
def test_a_vm_does_not_start(sim: Simulator, xapi: Client, method: str, code: str, params: tuple[str, ...]) -> None:
    halted = xapi.vm(sim.add_vm("b", [DiskSpec(4096)], power_state="Halted"))
    host = [] if method == "VM.start" else [sim.coordinator.ref]
    sim.faults.add(CallFails(method=method, code=code, params=params))
    assert refused(xapi, method, halted, *host, *PLAIN) == [code, *params]
    assert xapi("VM.get_power_state", halted) == "Halted"
    xapi(method, halted, *host, *PLAIN)
    assert xapi("VM.get_power_state", halted) == "Running"


def test_nothing_can_be_destroyed_until_the_rule_is_taken_back(sim: Simulator, xapi: Client) -> None:
    halted = xapi.vm(sim.add_vm("b", [DiskSpec(4096)], power_state="Halted"))
    (disk,) = xapi.disks(halted)
    rules = [
        sim.faults.add(CallFails(method=method, nth=None, code="SR_BACKEND_FAILURE_202", params=("", "busy", "")))
        for method in ("VM.destroy", "VDI.destroy")
    ]
    for _ in range(2):
        for method, ref in (("VM.destroy", halted), ("VDI.destroy", disk["ref"])):
            assert refused(xapi, method, ref) == ["SR_BACKEND_FAILURE_202", "", "busy", ""]
    for rule in rules:
        sim.faults.remove(rule)
    xapi("VM.destroy", halted)
    xapi("VDI.destroy", disk["ref"])
    assert disk["ref"] not in sim.records("VDI")
