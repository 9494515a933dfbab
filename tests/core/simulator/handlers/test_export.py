import base64
import gzip
import hashlib
import io
import time
import zlib
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
import zstandard
from tests.core.simulator.archive import read_archive
from tests.core.simulator.client import Client

from vmbackup.simulator import BodyHook, DiskSpec, Simulator
from vmbackup.simulator.schema import MODEL

MIB = 1 << 20
SIZES = (5 * MIB + 512, 3 * MIB)
NOWHERE = "OpaqueRef:00000000-0000-4000-8000-000000000000"


@pytest.fixture
def vm(sim: Simulator, xapi: Client) -> str:
    disks = [DiskSpec(size, seed=number, fill=0.5) for number, size in enumerate(SIZES)]
    return xapi.vm(sim.add_vm("web", disks, tags=["PROD"], other_config={"mark": "kept"}))


@pytest.fixture
def snap(xapi: Client, vm: str) -> str:
    ref: str = xapi("VM.snapshot", vm, "a snapshot")
    return ref


def plain(data: bytes) -> bytes:
    return data


def unzstd(data: bytes) -> bytes:
    return zstandard.ZstdDecompressor().stream_reader(io.BytesIO(data)).read()


@pytest.mark.parametrize(
    ("compression", "unpacking"),
    [
        ("", (b"ova.xml\0", plain)),
        ("false", (b"ova.xml\0", plain)),
        ("xz", (b"ova.xml\0", plain)),
        ("gzip", (b"\x1f\x8b", gzip.decompress)),
        ("true", (b"\x1f\x8b", gzip.decompress)),
        ("zstd", (b"\x28\xb5\x2f\xfd", unzstd)),
    ],
)
def test_an_image_holds_what_the_disks_held_at_the_snapshot(
    sim: Simulator, xapi: Client, snap: str, compression: str, unpacking: tuple[bytes, Callable[[bytes], bytes]]
) -> None:
    magic, unpack = unpacking
    reply, task = xapi.export(snap, use_compression=compression)
    assert (task["status"], task["progress"], task["error_info"]) == ("success", 1.0, [])
    assert reply.body.startswith(magic)
    data = unpack(reply.body)
    assert data.endswith(bytes(1024))
    assert len(data) % 512 == 0
    archive = read_archive(data)
    disks = archive.all("VDI")
    assert {int(disk["virtual_size"]) for disk in disks.values()} == set(SIZES)
    for folder, disk in disks.items():
        content = archive.disk(folder, int(disk["virtual_size"]))
        assert hashlib.sha256(content).hexdigest() == sim.digest(disk["uuid"])


def test_the_head_is_that_of_http_1_0_without_a_length(xapi: Client, snap: str) -> None:
    task = xapi.task()
    reply = xapi.get("/export", session_id=xapi.session, task_id=task, ref=snap)
    assert reply.status == "HTTP/1.0 200 OK"
    assert reply.headers["task-id"] == task
    assert reply.headers["content-type"] == "application/octet-stream"
    assert reply.headers["content-disposition"] == 'attachment; filename="export.xva"'
    assert not reply.headers.keys() & {"content-length", "transfer-encoding"}


def test_disks_come_in_string_order_of_their_folders(xapi: Client, snap: str) -> None:
    for _ in range(2):  # each document begins before another power of ten
        archive = read_archive(xapi.export(snap)[0].body)
        folders = list(archive.chunks)
        assert folders == sorted(folders)
        numbers = [int(folder.removeprefix("Ref:")) for folder in folders]
        assert numbers == sorted(numbers, reverse=True)


def test_the_document_is_of_a_vm_that_is_no_snapshot_but_a_template(xapi: Client, vm: str, snap: str) -> None:
    archive = read_archive(xapi.export(snap)[0].body)
    record = archive.one("VM")
    assert set(record) == set(MODEL.classes["VM"])
    assert (record["name_label"], record["tags"], record["other_config"]["mark"]) == ("a snapshot", ["PROD"], "kept")
    assert (record["is_a_snapshot"], record["is_a_template"], record["power_state"]) == (False, True, "Halted")
    assert (record["snapshot_of"], record["parent"], record["snapshots"]) == ("OpaqueRef:NULL", "OpaqueRef:NULL", [])
    assert record["snapshot_time"].value == "19700101T00:00:00Z"
    assert (record["allowed_operations"], record["current_operations"]) == ([], {})
    assert record["children"] == [vm]
    assert archive.version == {
        "hostname": "localhost",
        "date": archive.version["date"],
        "product_version": "8.3.0",
        "product_brand": "XCP-ng",
        "build_number": "cloud",
        "xapi_major": "24",
        "xapi_minor": "19",
        "export_vsn": "2",
    }
    xapi.set_is_a_template(snap, value=False)
    assert read_archive(xapi.export(snap)[0].body).one("VM")["is_a_template"] is False


def test_refs_are_rewritten_and_null_ones_name_no_object(xapi: Client, snap: str) -> None:
    archive = read_archive(xapi.export(snap)[0].body)
    record = archive.one("VM")
    drives, disks = archive.all("VBD"), archive.all("VDI")
    assert set(record["VBDs"]) == set(drives)
    assert set(record["VIFs"]) == set(archive.all("VIF"))
    assert [drive["VDI"] in disks for drive in drives.values() if drive["type"] == "Disk"] == [True, True]
    (cd,) = [drive for drive in drives.values() if drive["type"] == "CD"]
    known = {one["id"] for one in archive.objects}
    assert record["resident_on"] == cd["VDI"]
    assert record["resident_on"].startswith("Ref:")
    assert record["resident_on"] not in known
    assert {record["metrics"], record["guest_metrics"], record["affinity"]} <= known
    repository = archive.one("SR")
    assert (repository["PBDs"], set(repository["VDIs"])) == ([], set(disks))
    assert {disk["snapshot_of"][:10] for disk in disks.values()} == {"OpaqueRef:"}
    assert not any(drive["currently_attached"] for drive in drives.values())


def test_a_vm_under_export_is_held_and_its_disk_attached_to_dom0(sim: Simulator, xapi: Client, snap: str) -> None:
    seen: dict[str, object] = {}
    disks = {disk["ref"] for disk in xapi.disks(snap)}

    def look() -> None:
        record = sim.records("VM")[snap]
        seen["current"], seen["allowed"] = record["current_operations"], set(record["allowed_operations"])
        (dom0,) = [ref for ref, one in sim.records("VM").items() if one["is_control_domain"]]
        seen["drives"] = [drive for drive in sim.records("VBD").values() if drive["VM"] == dom0]
        seen["disks"] = {ref: sim.records("VDI")[ref]["allowed_operations"] for ref in disks}
        seen["progress"] = sim.records("task")[task]["progress"]

    sim.faults.add(BodyHook(after=2 * MIB, run=look))
    task = xapi.task()
    xapi.get("/export", session_id=xapi.session, task_id=task, ref=snap)
    assert seen["current"] == {task: "export"}
    assert seen["allowed"] == {"clone", "copy", "export"}
    drives = seen["drives"]
    assert isinstance(drives, list)
    assert [(drive["mode"], drive["currently_attached"], drive["VDI"] in disks) for drive in drives] == [
        ("RO", True, True)
    ]
    held = seen["disks"]
    assert isinstance(held, dict)
    assert "destroy" not in held[drives[0]["VDI"]]
    assert {"snapshot", "copy", "clone"} <= set(held[drives[0]["VDI"]])
    progress = seen["progress"]
    assert isinstance(progress, float)
    assert 0 < progress < 1
    assert not [drive for drive in sim.records("VBD").values() if drive["currently_attached"] and drive["VDI"] in disks]
    assert sim.records("VM")[snap]["current_operations"] == {}


def test_a_running_vm_is_refused_with_its_power_state(xapi: Client, vm: str) -> None:
    reply, task = xapi.export(vm)
    assert reply.status == "HTTP/1.1 500 Internal Error"
    assert f"VM_BAD_POWER_STATE: [ {vm}; halted, suspended; running ]".encode() in reply.body
    assert task["error_info"] == ["VM_BAD_POWER_STATE", vm, "halted, suspended", "running"]


def test_an_unknown_ref_gets_not_one_byte(xapi: Client) -> None:
    reply, task = xapi.export(NOWHERE)
    assert (reply.status, reply.body) == ("", b"")
    assert (task["status"], task["error_info"]) == ("failure", ["NO_HOSTS_AVAILABLE"])


def test_an_unknown_uuid_leaves_the_task_alone(xapi: Client) -> None:
    task = xapi.task()
    for query in ({"uuid": "nobody"}, {}):
        reply = xapi.get("/export", session_id=xapi.session, task_id=task, **query)
        assert reply.status.split()[1] == "500"
    assert xapi("task.get_status", task) == "pending"


def test_without_a_session_the_task_stays_pending(xapi: Client, snap: str) -> None:
    task = xapi.task()
    for more in ({"session_id": NOWHERE}, {}):
        reply = xapi.get("/export", task_id=task, ref=snap, **more)
        assert reply.status == "HTTP/1.1 401 Unauthorised"
        assert reply.headers["www-authenticate"] == 'Basic realm="get_export"'
    assert xapi("task.get_status", task) == "pending"


def test_a_session_comes_by_cookie_but_a_blank_spoils_the_key(xapi: Client, snap: str) -> None:
    task = xapi.task()
    both = f"Cookie: session_id={xapi.session};task_id={task}\r\n"
    reply = xapi.get("/export", headers=both, ref=snap, session_id=NOWHERE, task_id=NOWHERE)
    assert (reply.status, reply.headers["task-id"]) == ("HTTP/1.0 200 OK", task)
    spoilt = f"Cookie: task_id={task}; session_id={xapi.session}\r\n"
    assert xapi.get("/export", headers=spoilt, ref=snap).status.split()[1] == "401"


@pytest.mark.parametrize(
    ("header", "status"),
    [("Basic " + base64.b64encode(b"root:simulated").decode(), "200"), ("Basic cm9vdDp4", "401"), ("Bearer x", "500")],
)
def test_basic_logs_in_and_out_by_itself(sim: Simulator, xapi: Client, snap: str, header: str, status: str) -> None:
    before = sim.records("session").keys()
    assert xapi.get("/export", headers=f"Authorization: {header}\r\n", ref=snap).status.split()[1] == status
    assert sim.records("session").keys() == before


def test_an_export_without_a_task_has_one_that_goes_with_it(sim: Simulator, xapi: Client, snap: str) -> None:
    reply = xapi.get("/export", session_id=xapi.session, ref=snap)
    deadline = time.monotonic() + 5
    while reply.headers["task-id"] in sim.records("task"):
        assert time.monotonic() < deadline
    reply = xapi.get("/export", session_id=xapi.session, ref=snap, task_id=NOWHERE)
    assert reply.status.split()[1] == "500"


def test_a_client_that_leaves_fails_the_task_and_frees_the_vm(sim: Simulator, xapi: Client) -> None:
    vm = xapi.vm(sim.add_vm("big", [DiskSpec(64 * MIB, seed=1, fill=1.0)], power_state="Halted"))
    task = xapi.task()
    with xapi.connect() as connection:
        connection.sendall(f"GET /export?session_id={xapi.session}&task_id={task}&ref={vm} HTTP/1.0\r\n\r\n".encode())
        assert connection.recv(1000)
    record = xapi.wait(task)
    expected = ["CLIENT_ERROR", 'INTERNAL_ERROR: [ Unix.Unix_error(Unix.EPIPE, "write", "") ]']
    assert (record["status"], record["error_info"]) == ("failure", expected)
    assert "destroy" in xapi("VM.get_allowed_operations", vm)
    assert "destroy" in xapi("VDI.get_allowed_operations", xapi.disks(vm)[0]["ref"])


def test_a_cancelled_export_says_so_in_the_task_and_in_the_body(sim: Simulator, xapi: Client) -> None:
    vm = xapi.vm(sim.add_vm("big", [DiskSpec(40 * MIB, seed=1, fill=1.0)], power_state="Halted"))
    task = xapi.task()

    def cancel() -> None:
        with sim.editing() as pool:
            pool.db.set("task", task, current_operations={"OpaqueRef:x": "cancel"})
        time.sleep(0.06)

    sim.faults.add(BodyHook(after=2 * MIB, run=cancel))
    reply = xapi.get("/export", session_id=xapi.session, task_id=task, ref=vm)
    record = xapi.wait(task)
    assert (record["status"], record["error_info"]) == ("cancelled", ["TASK_CANCELLED", task])
    assert reply.body.endswith(b"</h1>TASK_CANCELLED: [ " + task.encode() + b" ]</body></html>")


def test_small_disks_make_the_progress_not_a_number(sim: Simulator, xapi: Client) -> None:
    vm = xapi.vm(sim.add_vm("small", [DiskSpec(4096, seed=1)], power_state="Halted"))
    seen: list[str] = []
    task = xapi.task()
    sim.faults.add(BodyHook(after=60_000, run=lambda: seen.append(str(sim.records("task")[task]["progress"]))))
    xapi.get("/export", session_id=xapi.session, task_id=task, ref=vm)
    assert xapi.wait(task)["progress"] == 1.0
    assert seen in (["nan"], [])


def test_live_disks_are_written_while_an_export_runs(sim: Simulator, xapi: Client, vm: str, snap: str) -> None:
    live = [disk["uuid"] for disk in xapi.disks(vm)]
    states: list[list[str]] = []

    def look() -> None:
        time.sleep(0.06)
        states.append([sim.digest(uuid) for uuid in live])

    look()
    for after in (0, 3 * MIB):
        sim.faults.add(BodyHook(after=after, run=look))
    before = [sim.digest(disk["uuid"]) for disk in xapi.disks(snap)]
    xapi.export(snap)
    look()
    for earlier, later in pairwise(states):
        assert all(one != other for one, other in zip(earlier, later, strict=True))
    assert [
        hashlib.sha256(Path(sim.disk_path(disk["uuid"])).read_bytes()).hexdigest() for disk in xapi.disks(snap)
    ] == before


def test_a_disk_that_cannot_be_read_breaks_the_body_and_fails_the_task(sim: Simulator, xapi: Client, snap: str) -> None:
    path = sim.disk_path(xapi.disks(snap)[0]["uuid"])
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.write(b"x" * size)
        file.truncate(size - 512)
    reply, _ = xapi.export(snap, use_compression="gzip")
    inflate = zlib.decompressobj(wbits=31)
    assert inflate.decompress(reply.body).startswith(b"ova.xml")
    assert inflate.unused_data.startswith(b"HTTP/1.1 500 Internal Error")
    reply, task = xapi.export(snap)
    assert reply.status == "HTTP/1.0 200 OK"
    assert reply.body.endswith(b"VDI_IO_ERROR: [ Device I/O errors ]</body></html>")
    assert task["error_info"] == ["VDI_IO_ERROR", "Device I/O errors"]
    assert xapi("VM.get_current_operations", snap) == {}


def test_a_stalled_client_holds_the_vm_until_the_server_stops(sim: Simulator, xapi: Client) -> None:
    vm = xapi.vm(sim.add_vm("big", [DiskSpec(64 * MIB, seed=1, fill=1.0)], power_state="Halted"))
    task = xapi.task()
    with xapi.connect() as connection:
        target = f"/export?session_id={xapi.session}&task_id={task}&ref={vm}"
        connection.sendall(f"GET {target} HTTP/1.0\r\n\r\n".encode())
        assert connection.recv(1000)
        time.sleep(0.1)
        assert xapi("VM.get_current_operations", vm) == {task: "export"}
        started = time.monotonic()
        sim.stop()
        assert time.monotonic() - started < 2
    assert sim.records("task")[task]["status"] == "failure"
