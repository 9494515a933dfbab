"""Calls: their errors as ours, integers of any size, a session that the pool forgets, answers that are none."""

import socket
import threading
import time

import pytest
from tests.core.xapi.pool import Server, answer, answering, login, read_request, tapped

from vmbackup.errors import LoginRefused, PoolError, TransferError
from vmbackup.journal import Journal
from vmbackup.simulator import CallFails, CallHook, Simulator
from vmbackup.xapi.session import Session
from vmbackup.xapi.transfers import Request, download, upload
from vmbackup.xapi.trust import Address, Trust


def test_a_session_ends_with_its_block(sim: Simulator) -> None:
    with login(sim) as session:
        assert list(sim.records("session")) == [session.handle]
    assert sim.records("session") == {}


def test_a_session_ends_when_its_block_fails(sim: Simulator) -> None:
    with pytest.raises(KeyError), login(sim):
        raise KeyError
    assert sim.records("session") == {}


def test_a_wrong_password(sim: Simulator) -> None:
    with pytest.raises(LoginRefused, match="the login of 'root'") as caught, login(sim, password="wrong"):
        pass
    assert "pool.password" in caught.value.advice
    assert "wrong" not in str(caught.value)


def test_the_session_stands_in_no_request_line(sim: Simulator, journal: Journal) -> None:
    (vm,) = [ref for ref, record in sim.records("VM").items() if record["name_label"] == "web"]
    with tapped(sim) as (tap, url), login(sim, url) as session:
        secret = session.handle
        with download(session, journal, Request("/export_metadata", {"ref": vm}, "metadata")) as stream:
            data = b"".join(stream.pieces())
            stream.finish()
        with pytest.raises(PoolError):
            upload(session, journal, Request("/import", {"sr_id": "OpaqueRef:none"}, "import"), [data], len(data))
    lines = [head.split("\r\n")[0] for head in tap.heads]
    streams = [head for head in tap.heads if head.startswith(("GET", "PUT"))]
    assert [head.split("?")[0] for head in streams] == ["GET /export_metadata", "PUT /import"]
    assert not [line for line in lines if "session" in line or secret in line or secret.partition(":")[2] in line]
    assert not [line for line in lines if sim.password in line]
    for head in streams:
        assert f"Cookie: session_id={secret}" in head.split("\r\n")
        assert len(head) < 1000, "hosts take no longer head"


def test_a_blank_in_a_query_is_no_plus(sim: Simulator, journal: Journal) -> None:
    with tapped(sim) as (tap, url), login(sim, url) as session:
        query = {"sr_id": "a b+c"}
        with pytest.raises(PoolError), download(session, journal, Request("/export", query | {"ref": "x y"}, "export")):
            pass
    (head,) = [head for head in tap.heads if head.startswith("GET")]
    assert "sr_id=a%20b%2Bc&ref=x%20y&" in head


def test_a_session_that_the_pool_has_forgotten_is_renewed_once(sim: Simulator, session: Session) -> None:
    logins: list[None] = []
    sim.faults.add(CallHook(method="session.login_with_password", nth=None, run=lambda: logins.append(None)))
    old = session.handle
    with sim.editing() as pool:
        pool.db.delete("session", old)
    assert len(session.records("pool")) == 1
    assert session.handle != old
    assert len(logins) == 1
    assert list(sim.records("session")) == [session.handle]


def test_a_session_that_cannot_be_renewed(sim: Simulator, session: Session) -> None:
    params = ("root", "expired")
    sim.faults.add(CallFails(method="session.login_with_password", code="SESSION_AUTHENTICATION_FAILED", params=params))
    with sim.editing() as pool:
        pool.db.delete("session", session.handle)
    with pytest.raises(LoginRefused):
        session.records("pool")
    sim.faults.clear()
    session.records("pool")


def test_an_error_of_the_pool_tells_its_code_parameters_and_what_to_do(sim: Simulator, session: Session) -> None:
    params = ("OpaqueRef:vm", "halted", "running")
    sim.faults.add(CallFails(method="VM.destroy", code="VM_BAD_POWER_STATE", params=params))
    with pytest.raises(PoolError) as caught:
        session.call("VM.destroy", "OpaqueRef:vm")
    error = caught.value
    assert (error.code, error.xapi_code, error.parameters) == ("VM_BAD_POWER_STATE", "VM_BAD_POWER_STATE", params)
    assert error.message == "VM.destroy: VM_BAD_POWER_STATE (OpaqueRef:vm, halted, running)"
    assert error.advice == "The VM is running, it would have to be halted."


def test_a_call_that_the_pool_does_not_know(session: Session) -> None:
    with pytest.raises(PoolError) as caught:
        session.call("VM.levitate", "OpaqueRef:vm")
    assert caught.value.code == "MESSAGE_METHOD_UNKNOWN"
    assert "VM.levitate" in caught.value.advice


@pytest.mark.parametrize("size", [2**31, 2**32 + 1, 2**62])
def test_integers_beyond_32_bits(sim: Simulator, session: Session, size: int) -> None:
    (vm,) = [ref for ref, record in sim.records("VM").items() if record["name_label"] == "web"]
    session.call("VM.set_memory_static_max", vm, size)
    assert sim.records("VM")[vm]["memory_static_max"] == size


def test_integers_beyond_32_bits_inside_structs(sim: Simulator, session: Session) -> None:
    (sr,) = [ref for ref, record in sim.records("SR").items() if record["name_label"] == "Local storage"]
    wanted = {"SR": sr, "virtual_size": 2**40, "type": "user", "sharable": False, "read_only": True, "other_config": {}}
    vdi = str(session.call("VDI.create", wanted))
    record = sim.records("VDI")[vdi]
    assert (record["virtual_size"], record["sharable"], record["read_only"]) == (2**40, False, True)


def test_find_and_living(sim: Simulator, session: Session) -> None:
    (vm,) = [ref for ref, record in sim.records("VM").items() if record["name_label"] == "web"]
    assert session.find("VM", sim.records("VM")[vm]["uuid"]) == vm
    assert session.find("VM", "00000000-0000-4000-8000-000000000000") is None
    assert [ref for ref, _ in session.living("VM", ["OpaqueRef:gone", vm])] == [vm]
    sim.faults.add(CallFails(method="VM.get_record", code="HOST_STILL_BOOTING"))
    with pytest.raises(PoolError):
        list(session.living("VM", [vm]))
    sim.faults.add(CallFails(method="VM.get_by_uuid", code="HOST_STILL_BOOTING"))
    with pytest.raises(PoolError):
        session.find("VM", "x")


def test_several_threads_call_at_once(sim: Simulator, session: Session) -> None:
    found: list[int] = []
    threads = [
        threading.Thread(target=lambda: found.extend(len(session.records("pool")) for _ in range(10))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [1] * 40


def _value(text: str) -> str:
    return f"<?xml version='1.0'?><methodResponse><params><param>{text}</param></params></methodResponse>"


def _struct(**members: str) -> str:
    inside = "".join(f"<member><name>{name}</name>{value}</member>" for name, value in members.items())
    return _value(f"<value><struct>{inside}</struct></value>")


SENSELESS = {
    "a web page": "<html><body>Welcome</body></html>",
    "an empty body": "",
    "half an answer": _value("<value>x</value>")[:60],
    "a bare text": _value("<value>x</value>"),
    "a bare array": _value("<value><array><data/></array></value>"),
    "no value": _struct(Status="<value>Success</value>"),
    "no error": _struct(Status="<value>Failure</value>"),
    "an empty error": _struct(
        Status="<value>Failure</value>", ErrorDescription="<value><array><data/></array></value>"
    ),
    "a number that is none": _value("<value><int>seven</int></value>"),
    "a truth that is none": _value("<value><boolean>maybe</boolean></value>"),
    "a fault": "<?xml version='1.0'?><methodResponse><fault><value><struct>"
    "<member><name>faultCode</name><value><int>4</int></value></member>"
    "<member><name>faultString</name><value>Too many</value></member></struct></value></fault></methodResponse>",
}


@pytest.mark.parametrize("body", SENSELESS.values(), ids=SENSELESS)
def test_an_answer_that_is_none(body: str) -> None:
    with Server(answering(answer(body))) as server:
        session = Session(Address.parse(server.url), Trust(), "root", "secret", originator="test")
        with pytest.raises(TransferError, match=r"^login: the pool's answer makes no sense"), session:
            pass


def test_a_login_that_fails_leaves_no_connection_open() -> None:
    failure = _struct(
        Status="<value>Failure</value>",
        ErrorDescription="<value><array><data><value>HOST_STILL_BOOTING</value></data></array></value>",
    )
    ended = threading.Event()

    def serve(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(answer(failure).replace(b"Connection: close\r\n", b""))
        if connection.recv(1) == b"":
            ended.set()

    with Server(serve) as server:
        session = Session(Address.parse(server.url), Trust(), "root", "secret", originator="test")
        with pytest.raises(PoolError, match="HOST_STILL_BOOTING"), session:
            pass
        assert ended.wait(5)


@pytest.mark.parametrize("status", ["301 Moved", "404 Not Found", "431 Too Large", "500 Internal Error"])
def test_a_server_that_is_no_pool(status: str) -> None:
    with Server(answering(answer("", status))) as server:
        session = Session(Address.parse(server.url), Trust(), "root", "secret", originator="test")
        with pytest.raises(TransferError, match=f"127.0.0.1 answered a call with HTTP {status[:3]}") as caught, session:
            pass
    assert "pool.url" in caught.value.advice


def test_a_server_that_hangs_up() -> None:
    with Server(answering(b"")) as server:
        session = Session(Address.parse(server.url), Trust(), "root", "secret", originator="test")
        with pytest.raises(TransferError, match=f"login: {server.url} does not answer") as caught, session:
            pass
    assert "toolstack" in caught.value.advice


def test_a_pool_that_is_gone_at_the_end_is_not_waited_for(sim: Simulator) -> None:
    started = time.monotonic()
    with login(sim):
        sim.stop()
    assert time.monotonic() - started < 5
