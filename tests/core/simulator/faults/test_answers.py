import time

import pytest
from tests.core.simulator.client import Client

from vmbackup.simulator import EmptyReply, Forbidden, LateAnswer, Redirect, RedirectLoop, Simulator, Unauthorised


def ask(xapi: Client, vm: str, task: str, headers: str = "", **more: str) -> tuple[str, dict[str, str], bytes]:
    reply = xapi.get("/export", headers, session_id=xapi.session, task_id=task, ref=vm, **more)
    return reply.status, dict(reply.headers), reply.body


def test_a_401_leaves_the_task_pending(sim: Simulator, xapi: Client, vm: str) -> None:
    sim.faults.add(Unauthorised())
    task = xapi.task()
    status, headers, _ = ask(xapi, vm, task)
    assert status == "HTTP/1.1 401 Unauthorised"
    assert headers["www-authenticate"] == 'Basic realm="get_export"'
    assert xapi("task.get_status", task) == "pending"
    assert ask(xapi, vm, task)[0] == "HTTP/1.0 200 OK"


def test_a_403_fails_the_task(sim: Simulator, xapi: Client, vm: str) -> None:
    sim.faults.add(Forbidden())
    task = xapi.task()
    assert ask(xapi, vm, task)[0] == "HTTP/1.1 403 Forbidden"
    assert xapi.wait(task)["error_info"][0] == "RBAC_PERMISSION_DENIED"


@pytest.mark.parametrize("end", ["failure", "pending"])
def test_an_empty_reply(sim: Simulator, xapi: Client, vm: str, end: str) -> None:
    sim.faults.add(EmptyReply(task="failure" if end == "failure" else "pending"))
    task = xapi.task()
    assert ask(xapi, vm, task) == ("", {}, b"")
    assert xapi("task.get_status", task) == end
    assert xapi("task.get_error_info", task) == (["NO_HOSTS_AVAILABLE"] if end == "failure" else [])


def test_a_redirect_leads_to_a_strange_place_with_the_whole_query(sim: Simulator, xapi: Client, vm: str) -> None:
    sim.faults.add(Redirect(to="https://192.0.2.77:4443"))
    task = xapi.task()
    status, headers, body = ask(xapi, vm, task, use_compression="zstd")
    assert (status, body) == ("HTTP/1.1 302 Found", b"")
    assert headers["location"].startswith("https://192.0.2.77:4443/export?session_id=OpaqueRef%3A")
    assert headers["location"].endswith("&use_compression=zstd")
    assert xapi("task.get_status", task) == "pending"


def test_a_redirect_leads_back_every_time(sim: Simulator, xapi: Client, vm: str) -> None:
    sim.faults.add(RedirectLoop())
    for headers, place in (("Host: pool.example:99\r\n", "pool.example:99"), ("", "{}:{}".format(*xapi.address))):
        status, answer, _ = ask(xapi, vm, xapi.task(), headers)
        assert status == "HTTP/1.1 302 Found"
        assert answer["location"].startswith(f"http://{place}/export?session_id=")


def test_an_answer_comes_late(sim: Simulator, xapi: Client, vm: str) -> None:
    sim.faults.add(LateAnswer(seconds=0.4))
    began = time.monotonic()
    assert ask(xapi, vm, xapi.task())[0] == "HTTP/1.0 200 OK"
    assert time.monotonic() - began > 0.4
