import socket
import time
from collections.abc import Callable

import pytest
from tests.core.simulator.client import Client

from vmbackup.simulator import ConnectionReset, HostDies, HostDiesAtCall, Outage, Simulator

MIB = 1 << 20


def test_connections_are_refused_until_the_rule_is_taken_back(sim: Simulator, xapi: Client) -> None:
    with xapi.connect() as kept:
        kept.sendall(b"GET /nowhere")
        time.sleep(0.1)
        rule = sim.faults.add(Outage())
        for _ in range(2):
            with pytest.raises(ConnectionRefusedError):
                xapi("VM.get_all")
        kept.sendall(b" HTTP/1.1\r\n\r\n")
        assert kept.recv(100).startswith(b"HTTP/1.1 404")
        sim.faults.remove(rule)
    assert _eventually(lambda: xapi("VM.get_all")), "the session is still good"


def _eventually(true: Callable[[], object]) -> object:
    deadline = time.monotonic() + 10
    while True:
        try:
            return true()
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.02)


def test_an_outage_ends_by_itself(sim: Simulator, xapi: Client) -> None:
    began = time.monotonic()
    sim.faults.add(Outage(seconds=0.3))
    assert _eventually(lambda: xapi("VM.get_all"))
    assert time.monotonic() - began >= 0.3


def test_an_outage_resets_what_is_open(sim: Simulator, xapi: Client) -> None:
    with xapi.connect() as idle:
        idle.sendall(b"GET ")
        time.sleep(0.1)
        sim.faults.add(Outage(connections="reset"))
        with pytest.raises(ConnectionResetError):
            idle.recv(1)


def test_a_silent_host_says_nothing_and_resets_when_it_is_back(sim: Simulator, xapi: Client) -> None:
    rule = sim.faults.add(Outage(connections="silent"))
    with xapi.connect() as connection:
        connection.settimeout(0.4)
        connection.sendall(b"GET /nowhere HTTP/1.1\r\n\r\n")
        with pytest.raises(TimeoutError):
            connection.recv(1)
        sim.faults.remove(rule)
        connection.settimeout(5)
        with pytest.raises(ConnectionResetError):
            connection.recv(1)
    assert xapi("VM.get_all")


def test_the_port_of_a_host_that_is_out_stays_its_own(sim: Simulator) -> None:
    place = ("127.0.0.1", int(sim.url.rpartition(":")[2]))  # nobody was connected to it
    rule = sim.faults.add(Outage())
    with socket.socket() as stranger, pytest.raises(OSError, match="in use"):
        stranger.bind(place)
    sim.faults.remove(rule)
    assert _eventually(lambda: Client(sim)("VM.get_all"))


def test_another_hosts_outage_is_none(sim: Simulator, xapi: Client) -> None:
    sim.faults.add(Outage(host="127.0.0.9"))
    assert xapi("VM.get_all")
    sim.faults.add(Outage(host="127.0.0.1"))
    with pytest.raises(ConnectionRefusedError):
        xapi("VM.get_all")


def test_a_host_dies_in_the_middle_of_a_body(sim: Simulator, xapi: Client, vm: str) -> None:
    sim.faults.add(HostDies(after=2 * MIB))
    task = xapi.task()
    reply = xapi.get("/export", session_id=xapi.session, task_id=task, ref=vm)
    assert reply.reset
    with pytest.raises(ConnectionRefusedError):
        xapi("VM.get_all")
    sim.faults.clear()
    assert _eventually(lambda: xapi("task.get_status", task)) == "pending"


def test_a_host_dies_at_a_call(sim: Simulator, xapi: Client, vm: str) -> None:
    sim.faults.add(HostDiesAtCall(method="VM.snapshot", seconds=0.3))
    values = "".join(f"<param><value>{value}</value></param>" for value in (xapi.session, vm, "s"))
    call = f"<methodCall><methodName>VM.snapshot</methodName><params>{values}</params></methodCall>"
    reply = xapi.rpc(call.encode())
    assert (reply.status, reply.reset) == ("", True)
    assert _eventually(lambda: xapi("VM.get_snapshots", vm)) == []


def test_one_connection_is_reset_at_once(sim: Simulator, xapi: Client) -> None:
    sim.faults.add(ConnectionReset())
    with pytest.raises(ConnectionResetError), socket.create_connection(xapi.address, timeout=5) as connection:
        connection.recv(1)
    assert _eventually(lambda: xapi("VM.get_all"))
