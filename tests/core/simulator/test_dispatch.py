import threading
import time
import xmlrpc.client

import pytest
from tests.core.simulator.client import Client, Refused

from vmbackup.simulator import Simulator

NOWHERE = "OpaqueRef:00000000-0000-4000-8000-000000000000"


def refused(xapi: Client, method: str, *params: object) -> list[str]:
    with pytest.raises(Refused) as caught:
        xapi(method, *params)
    return caught.value.details


def test_an_unknown_method_is_named(xapi: Client) -> None:
    assert refused(xapi, "VM.fly") == ["MESSAGE_METHOD_UNKNOWN", "VM.fly"]
    assert refused(xapi, "session.get_all") == ["MESSAGE_METHOD_UNKNOWN", "session.get_all"]


def test_parameters_are_counted_without_the_session(sim: Simulator, xapi: Client) -> None:
    vm = xapi.vm(sim.add_vm("a"))
    code = "MESSAGE_PARAMETER_COUNT_MISMATCH"
    assert refused(xapi, "VM.get_record") == [code, "VM.get_record", "1", "0"]
    assert refused(xapi, "VM.get_record", vm, "x") == [code, "VM.get_record", "1", "2"]
    assert refused(xapi, "VM.snapshot", vm) == [code, "VM.snapshot", "2", "1"]


def test_defaults_stand_at_the_end_and_more_than_declared_is_ignored_there(sim: Simulator, xapi: Client) -> None:
    vm = xapi.vm(sim.add_vm("a"))
    none: list[str] = []
    for extra in ((), (none,), (none, "superfluous")):
        assert xapi("VM.snapshot", vm, "s", *extra).startswith("OpaqueRef:")


def test_both_spellings_of_a_call_work(xapi: Client) -> None:
    assert xapi("VM_get_all") == xapi("VM.get_all")
    assert xapi("VM_guest_metrics_get_all") == []


def test_no_call_goes_without_a_living_session(xapi: Client) -> None:
    with pytest.raises(Refused) as caught:
        xapi.bare("VM.get_all", NOWHERE)
    assert caught.value.details == ["SESSION_INVALID", NOWHERE]
    xapi("session.logout")
    assert refused(xapi, "VM.get_all") == ["SESSION_INVALID", xapi.session]


def test_a_wrong_password_gets_two_parameters(xapi: Client) -> None:
    with pytest.raises(Refused) as caught:
        xapi.bare("session.login_with_password", "root", "wrong")
    code, user, message = caught.value.details
    assert (code, user) == ("SESSION_AUTHENTICATION_FAILED", "root")
    assert message


def test_a_session_says_who_opened_it(xapi: Client) -> None:
    record = xapi("session.get_record", xapi.session)
    assert (record["originator"], record["auth_user_name"]) == ("tests", "root")


def test_calls_that_have_no_async_form_answer_a_fault(xapi: Client) -> None:
    details = refused(xapi, "Async.VM.get_all")
    assert details == ["Fault", "No async mode for this operation (rpc: Async.VM.get_all)"]


def test_an_async_call_gives_a_task_with_the_encoded_result(sim: Simulator, xapi: Client) -> None:
    vm = xapi.vm(sim.add_vm("a"))
    task = xapi("Async.VM.snapshot", vm, "s")
    record = xapi.wait(task)
    assert (record["name_label"], record["type"], record["progress"]) == ("Async.VM.snapshot", "<none/>", 1.0)
    assert record["status"] == "success"
    assert record["result"] == f"<value>{xapi('VM.get_by_name_label', 's')[0]}</value>"
    assert record["finished"].value >= record["created"].value > "2026"
    failing = xapi.wait(xapi("Async.VM.snapshot", NOWHERE, "s"))
    assert (failing["status"], failing["error_info"]) == ("failure", ["HANDLE_INVALID", "VM", NOWHERE])
    assert (failing["result"], failing["progress"]) == ("", 1.0)


def test_integers_come_untyped_and_dates_with_a_z(sim: Simulator, xapi: Client) -> None:
    vm = xapi.vm(sim.add_vm("a", memory=1 << 30))
    body = xapi.rpc(xmlrpc.client.dumps((xapi.session, vm), "VM.get_record").encode()).body
    assert b"<name>memory_static_max</name><value>1073741824</value>" in body
    assert b"<name>snapshot_time</name><value><dateTime.iso8601>19700101T00:00:00Z</dateTime.iso8601></value>" in body
    assert b"<name>is_a_template</name><value><boolean>0</boolean></value>" in body
    assert b"<string>" not in body
    assert b"> <" not in body


def test_text_that_is_not_utf_8_is_an_invalid_value(xapi: Client) -> None:
    param = b"<params><param><value>\xff</value></param></params>"
    body = b"<methodCall><methodName>VM.get_by_name_label</methodName>" + param + b"</methodCall>"
    assert b"<value>INVALID_VALUE</value>" in xapi.rpc(body).body


def test_a_string_where_a_boolean_is_due_is_an_internal_error(sim: Simulator, xapi: Client) -> None:
    vm = xapi.vm(sim.add_vm("a"))
    assert refused(xapi, "VM.set_is_a_template", vm, "false")[0] == "INTERNAL_ERROR"


def ask(xapi: Client, headers: str, method: str, *params: str) -> tuple[str, bytes]:
    """Call with more headers; gives the status and the body."""
    body = xmlrpc.client.dumps((xapi.session, *params), method).encode()
    reply = xapi.send(f"POST / HTTP/1.0\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body)
    return reply.status, reply.body


def test_a_call_uses_the_task_that_a_header_names(sim: Simulator, xapi: Client) -> None:
    vm = xapi.vm(sim.add_vm("a"))
    task = xapi.task()
    with sim.editing() as pool:
        pool.db.set("VM", vm, current_operations={"somebody": "export"})
    releasing = threading.Timer(0.1, lambda: _release(sim, vm))
    releasing.start()
    ask(xapi, f"task-id: {task}\r\nX-Http-Other-Config-Reason: A test\r\n", "VM.snapshot", vm, "s")
    releasing.join()
    assert len(xapi("VM.get_snapshots", vm)) == 1
    record = xapi("task.get_record", task)
    assert record["status"] == "pending"  # whoever lent it completes it
    assert record["other_config"] == {"http:reason": "A test"}
    body = ask(xapi, f"task-id: {NOWHERE}\r\n", "VM.get_all")[1]
    assert b"<value>HANDLE_INVALID</value><value>task</value>" in body


def _release(sim: Simulator, vm: str) -> None:
    with sim.editing() as pool:
        pool.db.set("VM", vm, current_operations={})


def test_a_cancelled_task_of_a_header_ends_its_call(sim: Simulator, xapi: Client) -> None:
    vm = xapi.vm(sim.add_vm("a", power_state="Halted"))
    task = xapi.task()
    with sim.editing() as pool:
        pool.db.set("VM", vm, current_operations={"somebody": "export"})
    xapi("task.cancel", task)
    assert b"<value>TASK_CANCELLED</value>" in ask(xapi, f"task-id: {task}\r\n", "VM.destroy", vm)[1]


def test_an_async_call_under_a_lent_task_gives_it_back(sim: Simulator, xapi: Client) -> None:
    vm = xapi.vm(sim.add_vm("a"))
    task = xapi.task()
    assert task.encode() in ask(xapi, f"task-id: {task}\r\n", "Async.VM.snapshot", vm, "s")[1]
    deadline = time.monotonic() + 5
    while not xapi("VM.get_snapshots", vm):
        assert time.monotonic() < deadline
    assert xapi("task.get_status", task) == "pending"
    body = ask(xapi, "X-Http-Other-Config-Who: xe\r\n", "Async.VM.snapshot", vm, "t")[1]
    (own,) = [ref for ref in xapi("task.get_all") if ref != task and ref.encode() in body]
    assert xapi.wait(own)["other_config"] == {"http:who": "xe"}
