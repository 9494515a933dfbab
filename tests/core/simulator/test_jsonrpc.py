import json
import math
from typing import Any

import pytest
from tests.core.simulator.client import Client, Reply

from vmbackup.simulator import DiskSpec, Simulator

NOWHERE = "OpaqueRef:00000000-0000-4000-8000-000000000000"


def post(xapi: Client, body: bytes, path: str = "/jsonrpc") -> Reply:
    return xapi.send(b"POST %s HTTP/1.0\r\nContent-Length: %d\r\n\r\n" % (path.encode(), len(body)) + body)


def ask(xapi: Client, method: str, *params: object, **more: object) -> dict[str, Any]:
    """Send a request of version 2.0 (or what `more` makes of it) and give the answer."""
    request = {"jsonrpc": "2.0", "method": method, "params": params, "id": 1, **more}
    reply = post(xapi, json.dumps({key: value for key, value in request.items() if value is not ...}).encode())
    assert reply.status == "HTTP/1.0 200 OK"
    assert reply.headers["content-type"] == "application/json"
    answer = json.loads(reply.body)
    assert isinstance(answer, dict)
    return answer


def test_values_have_native_types_and_dates_are_strings(sim: Simulator, xapi: Client) -> None:
    vm = xapi.vm(sim.add_vm("Zürich <東京>", [DiskSpec(4096)], memory=1 << 33))
    record = ask(xapi, "VM.get_record", xapi.session, vm)["result"]
    assert record["memory_static_max"] == 1 << 33
    assert record["name_label"] == "Zürich <東京>"
    assert record["is_a_template"] is False
    assert record["HVM_shadow_multiplier"] == 1.0
    assert record["snapshot_time"] == "19700101T00:00:00Z"
    assert record["VBDs"] == xapi("VM.get_VBDs", vm)
    assert record["other_config"]["install-methods"] == "cdrom"
    assert record == ask(xapi, "VM.get_all_records", xapi.session)["result"][vm]


def test_what_comes_in_is_native_too(sim: Simulator, xapi: Client) -> None:
    vm = xapi.vm(sim.add_vm("a"))
    assert ask(xapi, "VM.set_user_version", xapi.session, vm, 7)["result"] == ""
    assert ask(xapi, "VM.set_user_version", xapi.session, vm, "8")["result"] == ""
    assert xapi("VM.get_user_version", vm) == "8"
    task = xapi.task()
    ask(xapi, "task.set_progress", xapi.session, task, 1)
    assert xapi("task.get_progress", task) == 1.0
    ask(xapi, "VM.set_is_a_template", xapi.session, vm, True)  # noqa: FBT003  a parameter of the wire
    with sim.editing() as pool:
        pool.db.set("VM", vm, power_state="Halted")
    assert ask(xapi, "VM.set_user_version", xapi.session, vm, 1.5)["error"]["message"] == "INTERNAL_ERROR"


def test_the_second_version_has_an_error_object(xapi: Client) -> None:
    answer = ask(xapi, "VM.get_record", xapi.session, NOWHERE, id="x")
    error = {"code": 1, "message": "HANDLE_INVALID", "data": ["VM", NOWHERE]}
    assert answer == {"jsonrpc": "2.0", "error": error, "id": "x"}


def test_the_first_version_has_an_error_array(xapi: Client) -> None:
    answer = ask(xapi, "VM.get_record", xapi.session, NOWHERE, jsonrpc=...)
    assert answer == {"result": None, "error": ["HANDLE_INVALID", "VM", NOWHERE], "id": 1}
    assert ask(xapi, "VM.get_by_name_label", xapi.session, "x", jsonrpc=...) == {"result": [], "error": None, "id": 1}


def test_parameters_may_be_missing_or_one_object_in_the_second_version(xapi: Client) -> None:
    assert "VM.snapshot" in ask(xapi, "system.listMethods", params=...)["result"]
    assert "VM.snapshot" in ask(xapi, "system.listMethods", params={})["result"]


@pytest.mark.parametrize(
    "body",
    [
        b"no json",
        b"[]",
        b'"text"',
        b'{"method": "VM.get_all", "params": []}',
        b'{"jsonrpc": "2.0", "method": "VM.get_all", "params": [], "id": null}',
        b'{"jsonrpc": "2.0", "method": "VM.get_all", "params": [], "id": true}',
        b'{"jsonrpc": "1.0", "method": "VM.get_all", "params": [], "id": 1}',
        b'{"jsonrpc": "2.0", "method": "VM.get_all", "params": 5, "id": 1}',
        b'{"method": "VM.get_all", "id": 1}',
        b'{"method": 5, "params": [], "id": 1}',
    ],
)
def test_what_is_no_request_is_an_internal_error(xapi: Client, body: bytes) -> None:
    assert post(xapi, body).status.split()[1] == "500"


def test_text_that_is_not_utf_8_is_an_invalid_value(xapi: Client) -> None:
    answer = json.loads(post(xapi, b'{"method": "VM.get_all", "params": ["\xff"], "id": 1}').body)
    assert answer["error"][0] == "INVALID_VALUE"


def test_the_path_is_a_prefix_and_the_limits_are_those_of_xml_rpc(xapi: Client) -> None:
    request = b'{"method": "system.listMethods", "params": [], "id": 1}'
    assert json.loads(post(xapi, request, "/jsonrpcXYZ?a=b").body)["error"] is None
    exact = request + b" " * (300 * 1024 - len(request))
    assert post(xapi, exact).status.split()[1] == "200"
    assert post(xapi, exact + b" ").status.split()[1] == "500"
    long = b"POST /jsonrpc HTTP/1.1\r\nCookie: " + b"x" * 1100 + b"\r\n\r\n"
    assert xapi.send(long).status.split()[1] == "431"


def test_a_connection_is_kept_alive_across_both_protocols(xapi: Client) -> None:
    json_body = b'{"jsonrpc": "2.0", "method": "system.listMethods", "id": 1}'
    xml_body = b"<methodCall><methodName>system.listMethods</methodName></methodCall>"
    with xapi.connect() as connection, connection.makefile("rb") as answers:
        for path, body, media_type in (
            (b"/jsonrpc", json_body, b"application/json"),
            (b"/", xml_body, b"text/xml"),
            (b"/jsonrpc", json_body, b"application/json"),
        ):
            connection.sendall(b"POST %s HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (path, len(body)) + body)
            assert answers.readline() == b"HTTP/1.1 200 OK\r\n"
            headers = dict(line.split(b": ") for line in iter(lambda: answers.readline().strip(), b""))
            assert headers[b"content-type"] == media_type
            assert headers[b"connection"] == b"keep-alive"
            assert b"VM.snapshot" in answers.read(int(headers[b"content-length"]))


def test_a_tasks_result_is_xml_whatever_the_caller_speaks(sim: Simulator, xapi: Client) -> None:
    vm = xapi.vm(sim.add_vm("a"))
    task = ask(xapi, "Async.VM.snapshot", xapi.session, vm, "s")["result"]
    assert xapi.wait(task)["result"].startswith("<value>OpaqueRef:")


def test_a_progress_of_zero_by_zero_is_written_as_it_is(sim: Simulator, xapi: Client) -> None:
    task = xapi.task()
    with sim.editing() as pool:
        pool.db.set("task", task, progress=math.nan)
    request = {"method": "task.get_progress", "params": [xapi.session, task], "id": 1}
    assert b'"result":NaN' in post(xapi, json.dumps(request).encode()).body
