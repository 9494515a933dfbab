import gzip
import io
import threading
import zlib

import pytest
import zstandard
from tests.core.simulator.archive import read_archive
from tests.core.simulator.client import Client, Refused

from vmbackup.simulator import (
    BodyHook,
    CallFails,
    CallHook,
    Cut,
    CutTarInsideFrame,
    DiskSpec,
    ErrorInBody,
    Flip,
    LeaveOutBlock,
    Reset,
    Simulator,
    TaskFails,
)

MIB = 1 << 20
HEADING = b"HTTP/1.1 500 Internal Error\r\n"


@pytest.fixture
def vm(sim: Simulator, xapi: Client) -> str:
    return xapi.vm(sim.add_vm("a", [DiskSpec(4 * MIB + 512, seed=1, fill=1.0)], power_state="Halted"))


@pytest.fixture
def whole(xapi: Client, vm: str) -> bytes:
    return xapi.export(vm)[0].body


def test_a_cut_ends_in_good_order_after_so_many_bytes(sim: Simulator, xapi: Client, vm: str) -> None:
    sim.faults.add(Cut(after=2 * MIB))
    reply, task = xapi.export(vm)
    assert (len(reply.body), reply.reset) == (2 * MIB, False)
    assert task["error_info"][0] == "CLIENT_ERROR"
    assert len(xapi.export(vm)[0].body) > 4 * MIB
    sim.faults.add(Cut(after=1 * MIB, task="success"))
    reply, task = xapi.export(vm)
    assert (len(reply.body), task["status"]) == (MIB, "success")


def test_a_cut_may_leave_the_task_pending(sim: Simulator, xapi: Client, vm: str) -> None:
    sim.faults.add(Cut(after=100, task="pending"))
    task = xapi.task()
    assert len(xapi.get("/export", session_id=xapi.session, task_id=task, ref=vm).body) == 100
    xapi("VM.destroy", vm)
    assert xapi("task.get_status", task) == "pending"


def test_a_reset_is_a_reset(sim: Simulator, xapi: Client, vm: str) -> None:
    sim.faults.add(Reset(after=2 * MIB))
    reply, task = xapi.export(vm)
    assert reply.reset
    assert task["status"] == "failure"


def test_one_byte_is_flipped(sim: Simulator, xapi: Client, vm: str, whole: bytes) -> None:
    document = len(gzip.compress(whole)) and whole.index(b"\0" * 1024)
    at = 3 * MIB + document % 7
    sim.faults.add(Flip(at=at))
    reply, task = xapi.export(vm)
    assert task["status"] == "success"
    assert len(reply.body) > at
    archives = read_archive(reply.body), read_archive(xapi.export(vm)[0].body)
    (damaged,), (sound,) = (list(one.chunks.values()) for one in archives)
    different = [number for (number, one), (_, other) in zip(damaged, sound, strict=True) if one != other]
    assert len(different) == 1
    number = different[0]
    pairs = zip(damaged[number][1], sound[number][1], strict=True)
    assert [one ^ other for one, other in pairs if one != other] == [0xFF]


@pytest.mark.parametrize(("block", "missing"), [(-1, 4), (2, 2), (0, 0)])
def test_a_block_is_left_out(sim: Simulator, xapi: Client, vm: str, block: int, missing: int) -> None:
    sim.faults.add(LeaveOutBlock(disk=0, block=block))
    reply, task = xapi.export(vm)
    ((_, chunks),) = read_archive(reply.body).chunks.items()
    assert [number for number, _ in chunks] == [number for number in range(5) if number != missing]
    assert task["status"] == "success"


def test_an_error_appears_inside_the_body(sim: Simulator, xapi: Client, vm: str) -> None:
    sim.faults.add(ErrorInBody(after=2 * MIB))
    reply, task = xapi.export(vm)
    assert reply.body[2 * MIB :].startswith(HEADING)
    assert reply.body.endswith(b"</body></html>")
    assert (task["status"], task["error_info"][0]) == ("failure", "SR_BACKEND_FAILURE_200")


def test_the_text_has_the_version_of_the_request(sim: Simulator, xapi: Client, vm: str) -> None:
    sim.faults.add(ErrorInBody(after=0))
    reply = xapi.send(f"GET /export?session_id={xapi.session}&ref={vm} HTTP/1.0\r\n\r\n".encode())
    assert reply.body.startswith(b"HTTP/1.0 500 Internal Error\r\n")


def test_a_tar_cut_inside_a_valid_frame_is_followed_by_text_or_by_nothing(
    sim: Simulator, xapi: Client, vm: str
) -> None:
    sim.faults.add(CutTarInsideFrame(after=2 * MIB))
    reply, task = xapi.export(vm, use_compression="gzip")
    inflate = zlib.decompressobj(wbits=31)
    assert len(inflate.decompress(reply.body)) == 2 * MIB
    assert inflate.eof
    assert inflate.unused_data.startswith(HEADING)
    assert task["error_info"] == ["VDI_IO_ERROR", "Device I/O errors"]
    sim.faults.add(CutTarInsideFrame(after=2 * MIB, silent=True))
    reply, task = xapi.export(vm, use_compression="zstd")
    assert len(zstandard.ZstdDecompressor().stream_reader(io.BytesIO(reply.body)).read()) == 2 * MIB
    assert task["status"] == "success"


def test_a_task_fails_after_a_whole_body(sim: Simulator, xapi: Client, vm: str, whole: bytes) -> None:
    sim.faults.add(TaskFails(code="VDI_IO_ERROR", params=("late",)))
    reply, task = xapi.export(vm)
    assert reply.body.endswith(bytes(1024))
    assert abs(len(reply.body) - len(whole)) < 4096
    assert (task["status"], task["error_info"]) == ("failure", ["VDI_IO_ERROR", "late"])


def test_rules_count_what_they_match_and_can_be_narrowed(sim: Simulator, xapi: Client, vm: str) -> None:
    sim.faults.add(TaskFails(nth=2, code="SECOND"))
    sim.faults.add(TaskFails(path="/export", about="use_compression=zstd", nth=None, code="ZSTD"))
    errors = [xapi.export(vm)[1]["error_info"] for _ in range(3)]
    assert errors == [[], ["SECOND"], []]
    assert [xapi.export(vm, use_compression="zstd")[1]["error_info"] for _ in range(2)] == [["ZSTD"], ["ZSTD"]]
    sim.faults.clear()
    assert xapi.export(vm, use_compression="zstd")[1]["status"] == "success"


def test_a_call_fails_for_one_object_every_time(sim: Simulator, xapi: Client, vm: str) -> None:
    other = xapi.vm(sim.add_vm("b"))
    sim.faults.add(CallFails(method="VM.snapshot", about=vm, nth=None, code="SR_FULL", params=("1", "0")))
    for _ in range(2):
        with pytest.raises(Refused) as caught:
            xapi("VM.snapshot", vm, "s")
        assert caught.value.details == ["SR_FULL", "1", "0"]
    assert xapi("VM.snapshot", other, "s")
    failed = xapi.wait(xapi("Async.VM.snapshot", vm, "s"))
    assert failed["error_info"] == ["SR_FULL", "1", "0"]


def test_a_hook_runs_before_or_after_the_effect(sim: Simulator, xapi: Client, vm: str) -> None:
    seen: list[int] = []

    def look() -> None:
        seen.append(len(sim.records("VM")[vm]["snapshots"]))

    sim.faults.add(CallHook(method="VM.snapshot", run=look))
    sim.faults.add(CallHook(method="VM.snapshot", run=look, when="after"))
    xapi("VM.snapshot", vm, "s")
    assert seen == [0, 1]


def test_a_hook_stops_a_stream_at_an_instant(sim: Simulator, xapi: Client, vm: str) -> None:
    go, reached = threading.Event(), threading.Event()

    def pause() -> None:
        reached.set()
        go.wait(10)

    sim.faults.add(BodyHook(after=MIB, run=pause))
    task = xapi.task()
    replies: list[int] = []
    target = {"session_id": xapi.session, "task_id": task, "ref": vm}
    reader = threading.Thread(target=lambda: replies.append(len(xapi.get("/export", **target).body)))
    reader.start()
    assert reached.wait(5)
    assert xapi("task.get_status", task) == "pending"
    go.set()
    reader.join()
    assert xapi.wait(task)["status"] == "success"
    assert replies[0] > 4 * MIB
