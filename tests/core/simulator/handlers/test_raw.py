import struct
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.core.simulator.client import Client, Reply

from vmbackup.simulator import DiskSpec, LeaveOutBlock, Simulator

MIB = 1 << 20
BLOCK = 2 * MIB
SIZE = 9 * MIB + 512


@pytest.fixture
def disk(sim: Simulator, xapi: Client) -> str:
    """Give the uuid of a disk whose blocks 0 and 3 hold data, 2 explicit zeros, 1 and 4 nothing."""
    vm = xapi.vm(sim.add_vm("a", [DiskSpec(SIZE)], power_state="Halted"))
    uuid = str(xapi.disks(vm)[0]["uuid"])
    with sim.disk_path(uuid).open("r+b") as file:
        file.write(b"boot" * 100)
        file.seek(2 * BLOCK)
        file.write(bytes(BLOCK))
        file.seek(3 * BLOCK + 12345)
        file.write(b"\xff" * 5000)
    return uuid


def fetch(xapi: Client, disk: str, **query: str) -> tuple[Reply, dict[str, object]]:
    task = xapi.task()
    reply = xapi.get("/export_raw_vdi", session_id=xapi.session, task_id=task, vdi=disk, **query)
    return reply, xapi.wait(task)


def store(xapi: Client, data: bytes, **query: str) -> dict[str, object]:
    task = xapi.task()
    reply = xapi.put("/import_raw_vdi", data, session_id=xapi.session, task_id=task, **query)
    assert reply.status == "HTTP/1.1 200 OK"
    return xapi.wait(task)


def empty(xapi: Client, size: int) -> str:
    sr = xapi("pool.get_default_SR", xapi("pool.get_all")[0])
    record = {"SR": sr, "virtual_size": size, "type": "user", "sharable": False, "read_only": False, "other_config": {}}
    return str(xapi("VDI.create", record))


def checksummed(record: bytes, at: int) -> bool:
    stored: int = struct.unpack_from(">I", record, at)[0]
    blank = record[:at] + bytes(4) + record[at + 4 :]
    return stored == ~sum(blank) & 0xFFFFFFFF


def read_vhd(data: bytes) -> tuple[int, dict[int, bytes]]:
    """Take a dynamic VHD apart by the format's own rules; gives the size and the blocks that it holds."""
    footer, header = data[:512], data[512:1536]
    assert footer == data[-512:]
    assert footer[:8] == b"conectix"
    assert checksummed(footer, 64)
    assert struct.unpack_from(">IIQI4s", footer, 8) == (2, 0x00010000, 512, 0, b"caml")
    original, current, _, kind = struct.unpack_from(">QQ4sI", footer, 40)
    assert (original, kind) == (current, 3)
    assert header[:8] == b"cxsparse"
    assert checksummed(header, 36)
    table_at, version, entries, block = struct.unpack_from(">QIII", header, 16)
    assert (table_at, version, block) == (2048, 0x00010000, BLOCK)
    assert entries == -(-current // BLOCK)
    assert data[1536:2048] == bytes(512)
    table = struct.unpack_from(f">{entries}I", data, table_at)
    first = table_at + -(-4 * entries // 512) * 512
    blocks = {}
    for position, (number, sector) in enumerate((n, s) for n, s in enumerate(table) if s != 0xFFFFFFFF):
        at = first + position * (512 + BLOCK)
        assert sector * 512 == at
        assert data[at : at + 512] == b"\xff" * 512
        blocks[number] = data[at + 512 : at + 512 + BLOCK]
    assert len(data) == first + len(blocks) * (512 + BLOCK) + 512
    return current, blocks


def test_raw_is_the_disk_filled_up_to_two_mib(sim: Simulator, xapi: Client, disk: str) -> None:
    reply, task = fetch(xapi, disk)
    assert (reply.status, task["status"]) == ("HTTP/1.1 200 OK", "success")
    assert reply.headers["content-disposition"] == f'attachment; filename="{disk}.raw"'
    assert not reply.headers.keys() & {"content-length"}
    content = sim.disk_path(disk).read_bytes()
    assert reply.body == content + bytes(5 * BLOCK - SIZE)


def test_a_vhd_holds_the_blocks_that_are_not_zero(sim: Simulator, xapi: Client, disk: str) -> None:
    reply, task = fetch(xapi, disk, format="vhd")
    assert task["status"] == "success"
    assert reply.headers["content-type"] == "application/vhd"
    size, blocks = read_vhd(reply.body)
    assert (size, set(blocks)) == (SIZE, {0, 3})
    content = sim.disk_path(disk).read_bytes()
    for number, data in blocks.items():
        assert data == content[number * BLOCK : (number + 1) * BLOCK]


def test_every_vhd_has_a_uuid_of_its_own(xapi: Client, disk: str) -> None:
    bodies = [fetch(xapi, disk, format="vhd")[0].body for _ in range(2)]
    assert bodies[0][68:84] != bodies[1][68:84]
    assert bodies[0][512:-512] == bodies[1][512:-512]


def test_a_disk_of_two_mib_blocks_is_not_filled_up(sim: Simulator, xapi: Client) -> None:
    vm = xapi.vm(sim.add_vm("b", [DiskSpec(2 * BLOCK, seed=1, fill=1.0)], power_state="Halted"))
    ref = xapi.disks(vm)[0]["ref"]
    assert len(fetch(xapi, ref)[0].body) == 2 * BLOCK
    assert set(read_vhd(fetch(xapi, ref, format="vhd")[0].body)[1]) == {0, 1}


def test_a_block_is_left_out_of_a_disk(sim: Simulator, xapi: Client, disk: str) -> None:
    sim.faults.add(LeaveOutBlock(path="/export_raw_vdi", block=3))
    assert set(read_vhd(fetch(xapi, disk, format="vhd")[0].body)[1]) == {0}


@pytest.mark.parametrize("wanted", ["raw", "vhd", "tar"])
def test_what_was_exported_is_imported(sim: Simulator, xapi: Client, disk: str, wanted: str) -> None:
    image = fetch(xapi, disk, format=wanted)[0].body
    image = image[:SIZE] if wanted == "raw" else image
    vdi = empty(xapi, SIZE)
    task = store(xapi, image, vdi=vdi, format=wanted)
    assert (task["status"], task["result"]) == ("success", f"<value>{vdi}</value>")
    assert sim.digest(xapi("VDI.get_uuid", vdi)) == sim.digest(disk)
    assert "destroy" in xapi("VDI.get_allowed_operations", vdi)


@pytest.mark.parametrize("wanted", ["raw", "vhd", "tar"])
def test_an_import_overwrites_what_was_there(sim: Simulator, xapi: Client, disk: str, wanted: str) -> None:
    vm = xapi.vm(sim.add_vm("full", [DiskSpec(SIZE, seed=9, fill=1.0)], power_state="Halted"))
    target = xapi.disks(vm)[0]
    image = fetch(xapi, disk, format=wanted)[0].body
    assert (
        store(xapi, image[:SIZE] if wanted == "raw" else image, vdi=target["uuid"], format=wanted)["status"]
        == "success"
    )
    assert sim.digest(target["uuid"]) == sim.digest(disk)


def test_a_bitmap_says_which_sectors_are_written(sim: Simulator, xapi: Client, disk: str) -> None:
    image = bytearray(fetch(xapi, disk, format="vhd")[0].body)
    image[2560:3072] = b"\x80" + bytes(511)
    vdi = empty(xapi, SIZE)
    assert store(xapi, bytes(image), vdi=vdi, format="vhd")["status"] == "success"
    assert sim.disk_path(xapi("VDI.get_uuid", vdi)).read_bytes()[:1024] == (b"boot" * 128)[:400].ljust(1024, b"\0")


def test_an_image_that_is_too_big_or_broken_fails_in_the_task(xapi: Client, disk: str) -> None:
    raw, vhd = (fetch(xapi, disk, format=wanted)[0].body for wanted in ("raw", "vhd"))
    small = empty(xapi, 4 * MIB)
    for image, wanted in ((raw, "raw"), (vhd, "vhd")):
        assert store(xapi, image, vdi=small, format=wanted)["error_info"] == ["VDI_IO_ERROR", "Device I/O errors"]
    whole = empty(xapi, SIZE)
    for image in (vhd[:-512], vhd[:-600], b"x" + vhd[1:], vhd[:70] + b"?" + vhd[71:]):
        assert store(xapi, image, vdi=whole, format="vhd")["status"] == "failure"


def test_raw_data_makes_a_disk_in_a_repository(sim: Simulator, xapi: Client) -> None:
    sr = xapi("pool.get_default_SR", xapi("pool.get_all")[0])
    task = store(xapi, b"data" * 1024, sr_id=sr)
    vdi = str(task["result"]).removeprefix("<value>").removesuffix("</value>")
    record = xapi("VDI.get_record", vdi)
    assert (record["name_label"], record["virtual_size"]) == ("Imported VDI", "4096")
    assert sim.disk_path(record["uuid"]).read_bytes() == b"data" * 1024


def test_what_a_handler_does_not_know_has_its_own_answer(xapi: Client, disk: str) -> None:
    reply, task = fetch(xapi, disk, format="qcow2")
    assert (reply.status, task["error_info"]) == ("HTTP/1.0 404 Not Found", ["INTERNAL_ERROR", "Unknown format qcow2"])
    assert xapi.get("/export_raw_vdi", session_id=xapi.session).status.split()[1] == "500"
    pending = xapi.task()
    reply = xapi.put("/import_raw_vdi", b"", session_id=xapi.session, task_id=pending)
    assert reply.status.split()[1] == "400"
    assert xapi.wait(pending)["error_info"] == ["VDI_MISSING"]


def test_what_an_import_does_not_take_has_its_own_answer(sim: Simulator, xapi: Client, disk: str) -> None:
    sr = xapi("pool.get_default_SR", xapi("pool.get_all")[0])

    def refused(headers: str = "", **query: str) -> tuple[str, object]:
        task = xapi.task()
        reply = xapi.put("/import_raw_vdi", b"", headers, session_id=xapi.session, task_id=task, **query)
        return reply.status.split()[1], xapi.wait(task)["error_info"]

    chunked = ["INTERNAL_ERROR", "Cannot handle encoding: chunked"]
    assert refused("Transfer-Encoding: chunked\r\n", vdi=disk) == ("404", chunked)
    assert refused(vdi=disk, format="qcow2") == ("404", ["INTERNAL_ERROR", "Unknown format qcow2"])
    unknown = ["INTERNAL_ERROR", "Failure: raw data of known length is needed to make a disk"]
    assert refused(sr_id=sr, format="vhd") == ("400", unknown)
    task = xapi.task()
    target = f"/import_raw_vdi?session_id={xapi.session}&task_id={task}&vdi={disk}"
    assert xapi.send(f"PUT {target} HTTP/1.0\r\n\r\n".encode()).status == "HTTP/1.1 200 OK"
    assert xapi.wait(task)["error_info"] == ["INTERNAL_ERROR", "Failure: Content-Length is needed"]


def test_a_disk_that_a_guest_writes_to_fails_inside_the_body(sim: Simulator, xapi: Client) -> None:
    vm = xapi.vm(sim.add_vm("live", [DiskSpec(SIZE, seed=1)]))
    reply, task = fetch(xapi, xapi.disks(vm)[0]["ref"])
    assert reply.status == "HTTP/1.1 200 OK"
    assert reply.body.startswith(b"HTTP/1.1 500 Internal Error\r\n")
    assert task["error_info"] == ["VDI_IN_USE"]


def test_several_disks_are_filled_at_once(sim: Simulator, xapi: Client) -> None:
    contents = [bytes([number]) * MIB for number in range(1, 4)]
    disks = [empty(xapi, MIB) for _ in contents]
    with ThreadPoolExecutor(len(disks)) as threads:
        tasks = list(threads.map(lambda disk, data: store(xapi, data, vdi=disk), disks, contents))
    assert [task["status"] for task in tasks] == ["success"] * len(disks)
    for disk, data in zip(disks, contents, strict=True):
        assert sim.disk_path(xapi("VDI.get_uuid", disk)).read_bytes() == data
        assert xapi("VDI.get_VBDs", disk) == []
        assert int(xapi("VDI.get_physical_utilisation", disk)) >= MIB
