import struct
import threading
import time

import pytest
from tests.core.simulator.archive import read_archive
from tests.core.simulator.client import Client, Refused, Reply

from vmbackup.simulator import (
    BodyTap,
    Cut,
    DiskSpec,
    ErrorInBody,
    Flip,
    RepeatBlock,
    Simulator,
    Slow,
    SlowDetach,
    Stall,
    SwapBlocks,
    TaskEndsEarly,
    TaskFails,
    TaskGone,
    TaskSlow,
    WrongChecksum,
)

MIB = 1 << 20
RAW = "/export_raw_vdi"


def numbers(reply: Reply) -> list[int]:
    """Give the numbers of the first disk's chunks as they stand in the stream."""
    names = [name for name, _ in _members(reply.body) if name.startswith("Ref:") and "." not in name.partition("/")[2]]
    return [int(name.partition("/")[2]) for name in names]


def _members(data: bytes) -> list[tuple[str, bytes]]:
    found, at = [], 0
    while header := data[at : at + 512].rstrip(b"\0"):
        size = int(data[at + 124 : at + 135], 8)
        found.append((header[:100].rstrip(b"\0").decode(), data[at + 512 : at + 512 + size]))
        at += 512 + -(-size // 512) * 512
    return found


def raw(xapi: Client, vm: str, **query: str) -> tuple[Reply, str]:
    task = xapi.task()
    disk = xapi.disks(vm)[0]["ref"]
    return xapi.get(RAW, session_id=xapi.session, task_id=task, vdi=disk, **query), xapi.wait(task)["status"]


def test_a_block_comes_twice(sim: Simulator, xapi: Client, vm: str) -> None:
    sim.faults.add(RepeatBlock(block=2))
    reply, task = xapi.export(vm)
    assert (numbers(reply), task["status"]) == ([0, 1, 2, 2, 3, 4, 5], "success")


def test_two_blocks_change_places(sim: Simulator, xapi: Client, vm: str) -> None:
    sim.faults.add(SwapBlocks(block=2))
    assert numbers(xapi.export(vm)[0]) == [0, 1, 3, 2, 4, 5]
    sim.faults.add(SwapBlocks(block=-1))
    assert numbers(xapi.export(vm)[0]) == [0, 1, 2, 3, 4, 5], "the last has no successor"


def test_a_block_that_is_never_sent_gives_its_place_to_the_next(sim: Simulator, xapi: Client) -> None:
    vm = xapi.vm(sim.add_vm("holes", [DiskSpec(5 * MIB)], power_state="Halted"))
    sim.faults.add(RepeatBlock(block=2))
    assert numbers(xapi.export(vm)[0]) == [0, 4, 4]


def test_a_checksum_is_wrong(sim: Simulator, xapi: Client, vm: str) -> None:
    sound = xapi.export(vm)[0].body
    sim.faults.add(WrongChecksum(block=3))
    reply, task = xapi.export(vm)
    assert task["status"] == "success"
    assert len(reply.body) == len(sound)
    pairs = zip(_members(sound)[1:], _members(reply.body)[1:], strict=True)
    wrong = [name.partition("/")[2] for (_, one), (name, other) in pairs if one != other]
    assert wrong == ["00000003.xxhash"]


def test_a_raw_stream_with_a_block_twice_is_longer(sim: Simulator, xapi: Client, vm: str) -> None:
    sim.faults.add(RepeatBlock(path=RAW, block=0))
    reply, status = raw(xapi, vm)
    assert (len(reply.body), status) == (8 * MIB, "success")
    assert reply.body[: 2 * MIB] == reply.body[2 * MIB : 4 * MIB]


def test_a_vhd_shows_what_struck_it(sim: Simulator, xapi: Client, vm: str) -> None:
    whole = raw(xapi, vm, format="vhd")[0].body
    sim.faults.add(RepeatBlock(path=RAW, block=0))
    assert len(raw(xapi, vm, format="vhd")[0].body) == len(whole) + 512 + 2 * MIB
    sim.faults.add(SwapBlocks(path=RAW))
    swapped = raw(xapi, vm, format="vhd")[0].body
    table = struct.unpack_from(">3I", swapped, 2048)
    assert table[1] < table[0] < table[2]
    sim.faults.add(WrongChecksum(path=RAW))
    wrong = raw(xapi, vm, format="vhd")[0].body
    assert wrong[64:68] == bytes(byte ^ 0xFF for byte in wrong[-448:-444])


def test_a_stall_ends_by_itself(sim: Simulator, xapi: Client, vm: str) -> None:
    sim.faults.add(Stall(after=MIB, seconds=0.4))
    began = time.monotonic()
    reply, task = xapi.export(vm)
    assert time.monotonic() - began > 0.4
    assert (task["status"], len(read_archive(reply.body).names)) == ("success", 13)


@pytest.mark.parametrize(("progress", "moves"), [("stands", False), ("moves", True)])
def test_a_stall_lasts_until_it_is_taken_back(
    sim: Simulator, xapi: Client, vm: str, progress: str, *, moves: bool
) -> None:
    rule = Stall(after=2 * MIB, progress="moves" if progress == "moves" else "stands")
    number = sim.faults.add(rule)
    task = xapi.task()
    bodies: list[bytes] = []
    query = {"session_id": xapi.session, "task_id": task, "ref": vm}
    reader = threading.Thread(target=lambda: bodies.append(xapi.get("/export", **query).body))
    reader.start()
    _eventually(lambda: bool(xapi("VM.get_current_operations", vm)) and xapi("task.get_progress", task) > 0)
    time.sleep(0.3)
    before = xapi("task.get_progress", task)
    time.sleep(0.3)
    assert (xapi("task.get_progress", task) > before) == moves
    assert xapi("task.get_status", task) == "pending"
    sim.faults.remove(number)
    reader.join(10)
    assert xapi.wait(task)["status"] == "success"
    assert len(read_archive(bodies[0]).names) == 13


def _eventually(true: object) -> None:
    deadline = time.monotonic() + 10
    while not true():  # type: ignore[operator]  # a function that says yes at last
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_stall_ends_when_the_task_is_cancelled(sim: Simulator, xapi: Client, vm: str) -> None:
    sim.faults.add(Stall(after=2 * MIB))
    task = xapi.task()
    query = {"session_id": xapi.session, "task_id": task, "ref": vm}
    reader = threading.Thread(target=lambda: xapi.get("/export", **query))
    reader.start()
    _eventually(lambda: xapi("VM.get_current_operations", vm))
    xapi("task.cancel", task)
    assert xapi.wait(task)["status"] == "cancelled"
    reader.join(10)
    _eventually(lambda: not xapi("VM.get_current_operations", vm))


@pytest.mark.parametrize("tls", [False, True])
def test_a_stall_ends_when_the_client_is_gone(tmp_path_factory: pytest.TempPathFactory, *, tls: bool) -> None:
    with Simulator(tmp_path_factory.mktemp("sim"), tls=tls) as sim:
        xapi = Client(sim, tls=tls)
        vm = xapi.vm(sim.add_vm("a", [DiskSpec(5 * MIB, seed=1, fill=1.0)], power_state="Halted"))
        sim.faults.add(Stall(after=2 * MIB))
        task = xapi.task()
        with xapi.connect() as connection:
            target = f"/export?session_id={xapi.session}&task_id={task}&ref={vm}"
            connection.sendall(f"GET {target} HTTP/1.1\r\n\r\n".encode())
            received = 0
            while received < MIB:
                received += len(connection.recv(1 << 16))
        assert xapi.wait(task)["error_info"][0] == "CLIENT_ERROR"
        xapi("VM.destroy", vm)


def test_a_slow_body_takes_its_time(sim: Simulator, xapi: Client, vm: str) -> None:
    sim.faults.add(Slow(rate=10 * MIB))
    began = time.monotonic()
    reply, task = xapi.export(vm)
    assert 0.3 < time.monotonic() - began < 5
    assert (task["status"], len(read_archive(reply.body).names)) == ("success", 13)


def test_an_upload_is_stalled_slow_cut_or_fails(sim: Simulator, xapi: Client, vm: str) -> None:
    archive = xapi.export(vm)[0].body
    before = sim.records("VM").keys(), sim.records("VDI").keys()

    def upload() -> list[str]:
        task = xapi.task()
        xapi.put("/import", archive, session_id=xapi.session, task_id=task)
        return [str(word) for word in xapi.wait(task)["error_info"]]

    for rule, code in (
        (Cut(path="/import", after=MIB), "CLIENT_ERROR"),
        (ErrorInBody(path="/import", after=MIB, code="SR_BACKEND_FAILURE_44", params=("", "full", "")), "SR_BACKEND_"),
        (TaskFails(path="/import", code="IMPORT_ERROR", params=("late",)), "IMPORT_ERROR"),
    ):
        sim.faults.add(rule)
        assert upload()[0].startswith(code)
        assert (sim.records("VM").keys(), sim.records("VDI").keys()) == before
    sim.faults.add(Stall(path="/import", after=MIB, seconds=0.3))
    sim.faults.add(Slow(path="/import", rate=10 * MIB))
    began = time.monotonic()
    assert upload() == []
    assert time.monotonic() - began > 0.4


def test_a_task_ends_before_its_body(sim: Simulator, xapi: Client, vm: str) -> None:
    sim.faults.add(TaskEndsEarly(after=MIB))
    sim.faults.add(Cut(after=3 * MIB))
    reply, task = xapi.export(vm)
    assert (len(reply.body), task["status"]) == (3 * MIB, "success")


def test_a_task_is_gone_after_its_body(sim: Simulator, xapi: Client, vm: str) -> None:
    sim.faults.add(TaskGone())
    task = xapi.task()
    assert len(read_archive(xapi.get("/export", session_id=xapi.session, task_id=task, ref=vm).body).names) == 13
    _eventually(lambda: task not in xapi("task.get_all"))


def test_a_task_is_slow_to_end(sim: Simulator, xapi: Client, vm: str) -> None:
    sim.faults.add(TaskSlow(seconds=0.5))
    task = xapi.task()
    assert len(read_archive(xapi.get("/export", session_id=xapi.session, task_id=task, ref=vm).body).names) == 13
    assert xapi("task.get_status", task) == "pending"
    assert xapi.wait(task)["status"] == "success"


def test_what_is_sent_is_overheard_with_what_struck_it(sim: Simulator, xapi: Client, vm: str) -> None:
    heard = bytearray()
    sim.faults.add(BodyTap(path=RAW, hear=heard.extend))
    sim.faults.add(Flip(path=RAW, at=MIB + 7))
    (disk, *_) = xapi.disks(vm)
    reply = xapi.get(RAW, session_id=xapi.session, vdi=disk["ref"])
    assert reply.body == heard
    assert heard[MIB + 7] == sim.disk_path(disk["uuid"]).read_bytes()[MIB + 7] ^ 0xFF


def test_a_disk_stays_attached_for_a_while_after_its_stream(sim: Simulator, xapi: Client, vm: str) -> None:
    rule = sim.faults.add(SlowDetach(path=RAW))
    (disk, *_) = xapi.disks(vm)
    assert raw(xapi, vm)[1] == "success"
    with pytest.raises(Refused) as caught:
        xapi("VDI.destroy", disk["ref"])
    assert caught.value.details == ["VDI_IN_USE", disk["ref"], "destroy"]
    sim.faults.remove(rule)
    deadline = time.monotonic() + 10
    while len(xapi("VDI.get_VBDs", disk["ref"])) > 1:
        assert time.monotonic() < deadline
    xapi("VDI.destroy", disk["ref"])
