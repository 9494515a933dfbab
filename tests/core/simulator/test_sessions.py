import pytest
from tests.core.simulator.client import Client, Refused

from vmbackup.simulator import BodyHook, DiskSpec, Simulator

HOUR = 3600
MIB = 1 << 20


def lives(xapi: Client) -> bool:
    try:
        xapi("pool.get_all")
    except Refused as refused:
        return refused.details != ["SESSION_INVALID", xapi.session]
    return True


def test_a_session_dies_of_a_day_without_a_call_and_not_before(sim: Simulator) -> None:
    idle, busy = Client(sim), Client(sim)
    sim.clock.advance(23 * HOUR)
    assert lives(busy)
    sim.clock.advance(2 * HOUR)
    assert not lives(idle)
    assert lives(busy)
    sim.clock.advance(25 * HOUR)
    assert not lives(busy)


def test_a_session_with_an_unfinished_task_outlives_its_day(sim: Simulator) -> None:
    xapi, watcher = Client(sim), Client(sim)
    task = xapi.task()
    sim.clock.advance(20 * HOUR)
    assert watcher("session.get_tasks", xapi.session) == [task]
    sim.clock.advance(5 * HOUR)
    assert watcher("session.get_tasks", xapi.session) == [task]
    watcher("task.set_status", task, "success")
    sim.clock.advance(1)
    assert not lives(xapi)


def test_the_session_of_a_stream_is_asked_for_only_at_its_start(sim: Simulator) -> None:
    xapi = Client(sim)
    vm = xapi.vm(sim.add_vm("a", [DiskSpec(4 * MIB, seed=1, fill=1.0)], power_state="Halted"))
    sim.faults.add(BodyHook(after=MIB, run=sim.sessions.expire_all))
    body = xapi.get("/export", session_id=xapi.session, ref=vm).body
    assert body.endswith(bytes(1024))
    assert not lives(xapi)


def test_everybody_is_thrown_out_at_once(sim: Simulator) -> None:
    clients = [Client(sim), Client(sim, originator="other")]
    sim.sessions.expire_all()
    assert [lives(one) for one in clients] == [False, False]
    assert lives(Client(sim))


@pytest.mark.parametrize(("originator", "limit"), [("backup", 500), ("", 400)])
def test_the_oldest_sessions_above_the_limit_of_an_originator_go(sim: Simulator, originator: str, limit: int) -> None:
    first, other = Client(sim, originator=originator), Client(sim, originator="other")
    sim.clock.advance(1)
    kept = [sim.sessions.open(sim.coordinator.ref, "root", "simulated", originator) for _ in range(limit - 1)]
    assert lives(first)
    sim.clock.advance(30)
    assert lives(first)
    newest = Client(sim, originator=originator)
    assert lives(first)
    assert lives(newest)
    assert lives(other)
    assert kept[0] not in sim.records("session")
    assert sum(one["originator"] == originator for one in sim.records("session").values()) == limit


def test_users_of_a_directory_are_limited_by_name(sim: Simulator) -> None:
    sim.add_user("carol", "secret", "read-only")
    first = Client(sim, user=("carol", "secret"), originator="one")
    sim.clock.advance(1)
    for number in range(500):
        sim.sessions.open(sim.coordinator.ref, "carol", "secret", str(number))
    assert not lives(first)


def test_a_session_tells_of_itself(sim: Simulator) -> None:
    xapi = Client(sim)
    record = xapi("session.get_record", xapi.session)
    assert xapi("session.get_uuid", xapi.session) == record["uuid"]
    assert xapi("session.get_this_host", xapi.session) == sim.coordinator.ref
    assert record["is_local_superuser"]
    before = record["last_active"].value
    sim.clock.advance(11)
    assert xapi("session.get_last_active", xapi.session).value > before
