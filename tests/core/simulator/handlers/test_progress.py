import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.core.simulator.client import Client, Reply

from vmbackup.simulator import BodyHook, DiskSpec, Simulator
from vmbackup.simulator.faults import Slow

MIB = 1 << 20
PACE = 0.2


@pytest.fixture
def sim(tmp_path: Path) -> Iterator[Simulator]:
    with Simulator(tmp_path / "sim", tls=False, progress_seconds=PACE) as running:
        yield running


@pytest.fixture
def vm(sim: Simulator, xapi: Client) -> str:
    return xapi.vm(sim.add_vm("a", [DiskSpec(10 * MIB, seed=1, fill=1.0)], power_state="Halted"))


def begin(xapi: Client, vm: str, task: str) -> tuple[threading.Thread, list[Reply]]:
    replies: list[Reply] = []
    query = {"session_id": xapi.session, "task_id": task, "ref": vm}
    thread = threading.Thread(target=lambda: replies.append(xapi.get("/export", **query)))
    thread.start()
    return thread, replies


def test_progress_is_that_of_the_bytes_and_written_at_its_pace(sim: Simulator, xapi: Client, vm: str) -> None:
    shares: list[float] = []
    task = xapi.task()
    for block in range(1, 10):
        hook = BodyHook(after=block * MIB, run=lambda: shares.append(sim.records("task")[task]["progress"]))
        sim.faults.add(hook)
    sim.faults.add(Slow(rate=10 * MIB))
    thread, _ = begin(xapi, vm, task)
    thread.join(20)
    assert xapi.wait(task)["progress"] == 1.0
    assert shares == sorted(shares)
    assert 3 <= len(set(shares)) <= 8  # every 0.2 s of about one second
    for sent, share in enumerate(shares, 1):
        assert sent / 10 - 0.4 < share <= sent / 10


def test_a_cancellation_is_seen_within_the_pace(sim: Simulator, xapi: Client, vm: str) -> None:
    reached = threading.Event()
    task = xapi.task()
    sim.faults.add(BodyHook(after=2 * MIB, run=reached.set))
    sim.faults.add(Slow(rate=4 * MIB))
    thread, replies = begin(xapi, vm, task)
    assert reached.wait(10)
    asked = time.monotonic()
    xapi("task.cancel", task)
    assert xapi.wait(task)["status"] == "cancelled"
    assert time.monotonic() - asked < PACE + 0.6  # a chunk takes a quarter of a second
    thread.join(10)
    assert b"TASK_CANCELLED" in replies[0].body
