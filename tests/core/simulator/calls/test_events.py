import threading
import time
import xmlrpc.client
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from tests.core.simulator.client import Client, Refused

from vmbackup.simulator import DiskSpec, Simulator
from vmbackup.simulator.history import KEPT, TRIMMED

NOWHERE = "OpaqueRef:00000000-0000-4000-8000-000000000000"


def refused(xapi: Client, method: str, *params: object) -> list[str]:
    with pytest.raises(Refused) as caught:
        xapi(method, *params)
    return caught.value.details


def token_of(xapi: Client, *classes: str) -> str:
    token = xapi("event.from", list(classes or ["*"]), "", 0.0)["token"]
    assert isinstance(token, str)
    return token


@contextmanager
def later(seconds: float, work: Callable[[], object]) -> Iterator[None]:
    timer = threading.Timer(seconds, work)
    timer.start()
    try:
        yield
    finally:
        timer.join()


def seen(answer: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(event["class"], event["operation"], event["ref"]) for event in answer["events"]]


def test_an_empty_token_gives_all_there_is_as_new(sim: Simulator, xapi: Client) -> None:
    vm = xapi.vm(sim.add_vm("web", [DiskSpec(4096)]))
    answer = xapi("event.from", ["*"], "", 0.0)
    assert {event["operation"] for event in answer["events"]} == {"add"}
    everything = {(event["class"], event["ref"]): event for event in answer["events"]}
    assert len(everything) == len(answer["events"])
    assert everything["vm", vm]["snapshot"] == xapi("VM.get_record", vm)
    assert {"vm", "vdi", "vbd", "sr", "host", "pool", "host_metrics", "pbd", "sm"} <= {cls for cls, _ in everything}
    assert "session" not in {cls for cls, _ in everything}
    counts = answer["valid_ref_counts"]
    assert counts["vm"] == len(xapi("VM.get_all"))
    assert (counts["task"], counts["vtpm"]) == (0, 0)
    assert "message" not in counts
    assert all(event["timestamp"] == "0.0" and event["id"].isdigit() for event in answer["events"])
    assert [len(half) for half in answer["token"].split(",")] == [20, 20]


def test_counts_are_the_only_integers_with_a_type(xapi: Client) -> None:
    call = xmlrpc.client.dumps((xapi.session, ["pool"], "", 0.0), "event.from").encode()
    body = xapi.rpc(call).body
    assert b"<name>pool</name><value><i4>1</i4></value>" in body
    assert b"<name>timestamp</name><value>0.0</value>" in body


@pytest.mark.parametrize("spelling", ["vm", "VM", "Vm"])
def test_classes_are_named_in_any_case(sim: Simulator, xapi: Client, spelling: str) -> None:
    vm = xapi.vm(sim.add_vm("web"))
    other = xapi.vm(sim.add_vm("other"))
    assert {event["class"] for event in xapi("event.from", [spelling], "", 0.0)["events"]} == {"vm"}
    token = token_of(xapi)
    xapi("VM.set_name_label", vm, "a")
    xapi("VM.set_name_label", other, "b")
    assert seen(xapi("event.from", [f"{spelling}/{vm}"], token, 5.0)) == [("vm", "mod", vm)]


def test_nothing_new_gives_an_empty_answer_after_the_time_out(xapi: Client) -> None:
    token = token_of(xapi)
    started = time.monotonic()
    answer = xapi("event.from", ["*"], token, 0.3)
    assert 0.3 <= time.monotonic() - started < 2
    assert answer["events"] == []
    assert answer["token"] >= token
    assert answer["valid_ref_counts"]["pool"] == 1
    assert xapi("event.from", ["no such class"], "", 0.1)["events"] == []


def test_a_blocked_call_is_woken_and_collects_what_comes_together(sim: Simulator, xapi: Client) -> None:
    vm = xapi.vm(sim.add_vm("web"))
    token = token_of(xapi)

    def rename() -> None:
        for number in range(3):
            xapi("VM.set_name_label", vm, f"name {number}")

    started = time.monotonic()
    with later(0.1, rename):
        answer = xapi("event.from", ["vm"], token, 10.0)
    assert 0.15 <= time.monotonic() - started < 5
    assert seen(answer) == [("vm", "mod", vm)]
    assert answer["events"][0]["snapshot"]["name_label"] == "name 2"
    assert xapi("event.from", ["vm"], answer["token"], 0.0)["events"] == []


def test_a_snapshots_life_is_told_in_order(sim: Simulator, xapi: Client) -> None:
    vm = xapi.vm(sim.add_vm("web", [DiskSpec(4096)]))
    token = token_of(xapi)
    snapshot = xapi("VM.snapshot", vm, "s")
    answer = xapi("event.from", ["*"], token, 5.0)
    assert ("vm", "add", snapshot) in seen(answer)
    assert ("vm", "mod", vm) in seen(answer)
    assert [cls for cls, operation, _ in seen(answer) if operation == "add"].count("vdi") == 2, "leaf and base copy"
    assert [event["snapshot"]["name"] for event in answer["events"] if event["class"] == "message"] == [
        "VM_SNAPSHOTTED"
    ]
    xapi("VM.destroy", snapshot)
    later_on = xapi("event.from", ["*"], answer["token"], 5.0)
    (gone,) = [event for event in later_on["events"] if event["ref"] == snapshot]
    assert gone["operation"] == "del"
    assert "snapshot" not in gone
    assert snapshot not in {ref for _, _, ref in seen(xapi("event.from", ["*"], token, 0.0))}  # came and went


def test_waiting_for_a_task(sim: Simulator, xapi: Client) -> None:
    vm = xapi.vm(sim.add_vm("web", [DiskSpec(4096)]))
    task = xapi("Async.VM.snapshot", vm, "s")
    token, status = "", "pending"
    while status == "pending":
        answer = xapi("event.from", [f"task/{task}"], token, 5.0)
        assert {ref for _, _, ref in seen(answer)} == {task}
        token, status = answer["token"], answer["events"][-1]["snapshot"]["status"]
    assert status == "success"


def test_many_deletions_are_lost_silently(sim: Simulator, xapi: Client) -> None:
    with sim.editing() as pool:
        tasks = [pool.db.create("task", {}) for _ in range(KEPT + 1)]
    token = token_of(xapi)
    with sim.editing() as pool:
        for task in tasks:
            pool.db.delete("task", task)
    answer = xapi("event.from", ["task"], token, 0.0)
    assert seen(answer) == [("task", "del", task) for task in tasks[-TRIMMED:]]
    assert answer["valid_ref_counts"]["task"] == 0


def test_a_session_that_goes_ends_its_blocked_call(sim: Simulator, xapi: Client) -> None:
    token = token_of(xapi)

    def log_out() -> None:
        with sim.editing() as pool:
            pool.db.delete("session", xapi.session)

    started = time.monotonic()
    with later(0.1, log_out):
        assert refused(xapi, "event.from", ["*"], token, 20.0) == ["SESSION_INVALID", xapi.session]
    assert time.monotonic() - started < 5


def test_stopping_ends_a_blocked_call(sim: Simulator, xapi: Client) -> None:
    token = token_of(xapi)
    started = time.monotonic()
    with later(0.1, sim.stop), pytest.raises((OSError, AssertionError)):
        xapi("event.from", ["*"], token, 20.0)
    assert time.monotonic() - started < 5


def test_what_cannot_be_read_is_refused(xapi: Client) -> None:
    for word in ("vm/a/b", "", "vm/", "/x"):
        assert refused(xapi, "event.from", ["*", word], "", 0.0) == ["EVENT_SUBSCRIPTION_PARSE_FAILURE", word]
    for token in ("x", "1", "1,2,3", "1,x", "-1,2", "1" * 30 + ",2"):
        assert refused(xapi, "event.from", ["*"], token, 0.0) == ["EVENT_FROM_TOKEN_PARSE_FAILURE", token]


def test_an_injected_event_comes_after_its_token(xapi: Client) -> None:
    (pool,) = xapi("pool.get_all")
    token = xapi("event.inject", "pool", pool)
    assert ("pool", "mod", pool) in seen(xapi("event.from", ["pool"], token, 5.0))
    assert refused(xapi, "event.inject", "pool", NOWHERE) == ["HANDLE_INVALID", "pool", NOWHERE]
    assert refused(xapi, "event.inject", "nonsense", NOWHERE)[0] == "INTERNAL_ERROR"


def test_the_deprecated_calls_tell_what_happens_after_registering(sim: Simulator, xapi: Client) -> None:
    vm = xapi.vm(sim.add_vm("web"))
    assert refused(xapi, "event.next") == ["SESSION_NOT_REGISTERED", xapi.session]
    xapi("event.register", ["VM", "task"])
    xapi("VM.set_name_label", vm, "a")
    (event,) = xapi("event.next")
    assert (event["class"], event["operation"], event["snapshot"]["name_label"]) == ("vm", "mod", "a")
    xapi("event.unregister", ["vm"])
    xapi("VM.set_name_label", vm, "b")
    with later(0.1, xapi.task):
        (event,) = xapi("event.next")
    assert (event["class"], event["operation"]) == ("task", "add")
    assert int(xapi("event.get_current_id")) >= int(event["id"])


def test_a_token_from_before_a_restart_still_tells_what_came_after(sim: Simulator, xapi: Client) -> None:
    vm = xapi.vm(sim.add_vm("web"))
    token = token_of(xapi)
    sim.stop()
    with Simulator(sim.certificate.parent, tls=False) as again:
        client = Client(again)
        client("VM.set_name_label", vm, "later")
        assert ("vm", "mod", vm) in seen(client("event.from", ["vm"], token, 5.0))
        assert {operation for _, operation, _ in seen(client("event.from", ["vm"], "", 0.0))} == {"add"}
