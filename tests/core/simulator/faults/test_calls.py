import threading
import time

import pytest
from tests.core.simulator.client import Client, Refused

from vmbackup.simulator import CallFails, CallStalls, CallTaskGone, ReplyLost, SessionLost, Simulator


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
