import os
import time
from pathlib import Path

import pytest
from tests.core.simulator.archive import read_archive
from tests.core.simulator.client import Client

from vmbackup.simulator import DiskSpec, Simulator
from vmbackup.simulator.block_paths import Source, sent_chunks
from vmbackup.simulator.chunks import Silence
from vmbackup.simulator.profiles import PROFILES, Blocks

MIB = 1 << 20
SIZE = 12 * MIB + 512
NEVER = Silence(60.0)


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """Blocks 3 (data), 6 (written zeros), 9 (64 KiB of data); holes elsewhere."""
    path = tmp_path / "disk"
    with path.open("wb") as file:
        file.truncate(SIZE)
        os.pwrite(file.fileno(), b"\xff" * MIB, 3 * MIB)
        os.pwrite(file.fileno(), bytes(MIB), 6 * MIB)
        os.pwrite(file.fileno(), b"\x01" * (64 << 10), 9 * MIB)
    return path


def numbers(path: Blocks, disk: Path, silence: Silence = NEVER, left_out: frozenset[int] = frozenset()) -> list[int]:
    content = bytearray(SIZE)
    found: list[int] = []
    steps: list[int] = []
    with disk.open("rb") as file:
        for number, data in sent_chunks(path, Source(file.fileno(), SIZE, left_out), silence, steps.append):
            found.append(number)
            content[number * MIB : number * MIB + len(data)] = data
    assert sum(steps) == SIZE
    if not left_out and path != "raw-scan":
        assert bytes(content) == disk.read_bytes()
    return found


def test_a_raw_scan_leaves_zeros_out_and_the_others_do_not_look(disk: Path) -> None:
    assert numbers("raw-scan", disk) == [0, 3, 9, 12]
    assert numbers("nbd-extents", disk) == [0, 3, 6, 9, 12]
    assert numbers("allocated-blocks", disk) == [0, 2, 3, 6, 7, 8, 9, 12]


def test_a_block_can_be_left_out_on_every_path(disk: Path) -> None:
    assert numbers("nbd-extents", disk, left_out=frozenset({3, 12})) == [0, 6, 9]
    assert numbers("allocated-blocks", disk, left_out=frozenset({3, 12})) == [0, 2, 6, 7, 8, 9]


def test_in_a_silence_nbd_sends_the_block_where_it_stands_and_the_others_nothing(disk: Path) -> None:
    asked = Silence(60.0, frozenset({5}))
    assert numbers("nbd-extents", disk, asked) == [0, 3, 5, 6, 9, 12]
    assert numbers("allocated-blocks", disk, asked) == [0, 2, 3, 6, 7, 8, 9, 12]
    assert len(numbers("nbd-extents", disk, Silence(-1.0))) == 13


@pytest.mark.parametrize("path", ["nbd-extents", "allocated-blocks"])
def test_a_file_that_ends_too_early_is_an_error(disk: Path, path: Blocks) -> None:
    os.truncate(disk, 4 * MIB)
    with pytest.raises(OSError, match="ends inside"):
        numbers(path, disk)


@pytest.mark.parametrize("path", ["raw-scan", "nbd-extents", "allocated-blocks"])
def test_an_archive_of_every_path_holds_the_disk(tmp_path: Path, path: Blocks) -> None:
    with Simulator(tmp_path / "sim", tls=False, blocks=path) as sim:
        xapi = Client(sim)
        vm = xapi.vm(sim.add_vm("a", [DiskSpec(9 * MIB + 512, seed=4, fill=0.3)], power_state="Halted"))
        reply, task = xapi.export(vm)
        assert task["status"] == "success"
        archive = read_archive(reply.body)
        ((folder, _),) = archive.chunks.items()
        (disk,) = xapi.disks(vm)
        assert archive.disk(folder, 9 * MIB + 512) == sim.disk_path(disk["uuid"]).read_bytes()


def test_the_path_is_the_product_s_own() -> None:
    assert {name: profile.blocks for name, profile in PROFILES.items()} == {
        **dict.fromkeys(("xs65", "xs71", "ch81", "xcpng82", "xcpng83"), "raw-scan"),
        "xs8": "nbd-extents",
    }


def test_silence_is_counted_from_the_last_chunk(disk: Path) -> None:
    found = []
    with disk.open("rb") as file:
        source = Source(file.fileno(), SIZE)
        for number, _ in sent_chunks("nbd-extents", source, Silence(0.03), lambda _: time.sleep(0.02)):
            found.append(number)
    assert {0, 3, 6, 9, 12} < set(found)
    assert len(found) < 13
