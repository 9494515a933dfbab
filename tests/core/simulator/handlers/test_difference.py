import struct
import uuid

import pytest
from tests.core.simulator.client import Client

from vmbackup.simulator import DiskSpec, Simulator

MIB = 1 << 20
BLOCK = 2 * MIB
SIZE = 9 * MIB + 512
PATH = "/export_raw_vdi"


def fetch(xapi: Client, disk: str, **query: str) -> tuple[bytes, dict[str, object]]:
    task = xapi.task()
    reply = xapi.get(PATH, session_id=xapi.session, task_id=task, vdi=disk, **query)
    return reply.body, xapi.wait(task)


def blocks(data: bytes) -> dict[int, bytes]:
    (entries,) = struct.unpack_from(">I", data, 512 + 28)
    table = struct.unpack_from(f">{entries}I", data, 2048)
    used = {block: sector * 512 for block, sector in enumerate(table) if sector != 0xFFFFFFFF}
    assert len(data) == 2048 + -(-4 * entries // 512) * 512 + len(used) * (512 + BLOCK) + 512
    assert all(data[at : at + 512] == b"\xff" * 512 for at in used.values())
    return {block: data[at + 512 : at + 512 + BLOCK] for block, at in used.items()}


@pytest.fixture
def pair(sim: Simulator, xapi: Client) -> tuple[str, str]:
    """Give the uuids of two snapshots of a disk: between them block 1 was written, and block 3 became zeros."""
    vm = xapi.vm(sim.add_vm("a", [DiskSpec(SIZE, seed=1, fill=1.0)], power_state="Halted"))
    disk = xapi.disks(vm)[0]
    first = xapi("VDI.snapshot", disk["ref"])
    with sim.disk_path(disk["uuid"]).open("r+b") as file:
        file.seek(BLOCK + 5)
        file.write(b"changed")
        file.seek(3 * BLOCK)
        file.write(bytes(BLOCK))
    second = xapi("VDI.snapshot", disk["ref"])
    return xapi("VDI.get_uuid", first), xapi("VDI.get_uuid", second)


def test_a_difference_holds_whole_blocks_of_what_changed(sim: Simulator, xapi: Client, pair: tuple[str, str]) -> None:
    first, second = pair
    data, task = fetch(xapi, second, format="vhd", base=first)
    assert task["status"] == "success"
    assert struct.unpack_from(">I", data, 60) == (4,)
    assert data[:512] == data[-512:]
    found = blocks(data)
    assert set(found) == {1, 3}
    assert found[3] == bytes(BLOCK)
    whole = bytearray(sim.disk_path(first).read_bytes().ljust(5 * BLOCK, b"\0"))
    for block, content in found.items():
        whole[block * BLOCK : (block + 1) * BLOCK] = content
    assert whole[:SIZE] == sim.disk_path(second).read_bytes()


def test_a_difference_names_its_base_by_nothing_that_helps(xapi: Client, pair: tuple[str, str]) -> None:
    one, other = (fetch(xapi, pair[1], format="vhd", base=pair[0])[0] for _ in range(2))
    assert one[68:84] != other[68:84]
    assert one[512 + 40 : 512 + 56] == other[512 + 40 : 512 + 56] != uuid.UUID(pair[0]).bytes
    assert pair[0] in one[512 + 64 : 512 + 576].decode("utf-16-be")


def test_a_difference_in_raw_has_zeros_for_the_rest(sim: Simulator, xapi: Client, pair: tuple[str, str]) -> None:
    data, _ = fetch(xapi, pair[1], base=pair[0])
    assert data[BLOCK : 2 * BLOCK] == sim.disk_path(pair[1]).read_bytes()[BLOCK : 2 * BLOCK]
    assert not any(data[:BLOCK] + data[2 * BLOCK :])


def test_a_disk_of_another_chain_differs_everywhere(sim: Simulator, xapi: Client, pair: tuple[str, str]) -> None:
    stranger = xapi.vm(sim.add_vm("b", [DiskSpec(SIZE, seed=1, fill=1.0)], power_state="Halted"))
    data, _ = fetch(xapi, pair[0], format="vhd", base=xapi.disks(stranger)[0]["uuid"])
    assert set(blocks(data)) == {0, 1, 2, 3, 4}


def test_only_vhds_have_differences(xapi: Client, pair: tuple[str, str]) -> None:
    ref = xapi("VDI.get_by_uuid", pair[0])
    xapi("VDI.set_sm_config", ref, {"vdi_type": "aio"})
    task = fetch(xapi, pair[1], format="vhd", base=pair[0])[1]
    assert task["error_info"] == ["INTERNAL_ERROR", "Failure: Cannot compute differences on non-VHD images"]
