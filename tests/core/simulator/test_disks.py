import hashlib
from pathlib import Path

import pytest

from vmbackup.simulator import sparse
from vmbackup.simulator.disks import Disks, DiskSpec

MIB = 1 << 20


@pytest.fixture
def disks(tmp_path: Path) -> Disks:
    return Disks(tmp_path / "disks")


def test_contents_of_a_seed_are_always_the_same_and_no_two_blocks_are(disks: Disks) -> None:
    disks.make("a", DiskSpec(20 * MIB + 512, seed=7, fill=0.5))
    disks.make("b", DiskSpec(20 * MIB + 512, seed=7, fill=0.5))
    disks.make("c", DiskSpec(20 * MIB + 512, seed=8, fill=0.5))
    content = disks.path("a").read_bytes()
    assert content == disks.path("b").read_bytes() != disks.path("c").read_bytes()
    blocks = [content[at : at + MIB] for at in range(0, 20 * MIB, MIB)]
    used = [block for block in blocks if any(block)]
    assert blocks[0] == used[0]
    assert 5 < len(used) < 15
    assert len(set(used)) == len(used)
    assert disks.path("a").stat().st_blocks * 512 < (len(used) + 2) * MIB


def test_contents_of_a_file_keep_its_holes(disks: Disks, tmp_path: Path) -> None:
    source = tmp_path / "source"
    with source.open("wb") as file:
        file.seek(30 * MIB)
        file.write(b"end")
    disks.make("a", DiskSpec(31 * MIB, source=source))
    assert disks.path("a").stat().st_size == 31 * MIB
    assert disks.path("a").read_bytes().rstrip(b"\0") == source.read_bytes()
    assert disks.path("a").stat().st_blocks * 512 < MIB


def test_a_digest_counts_holes_as_zeros(disks: Disks) -> None:
    disks.make("a", DiskSpec(5 * MIB + 512, seed=1, fill=0.3))
    assert disks.digest("a") == hashlib.sha256(disks.path("a").read_bytes()).hexdigest()


def test_a_snapshot_does_not_follow_later_writes_and_is_remembered(disks: Disks) -> None:
    disks.make("a", DiskSpec(3 * MIB, seed=1))
    before = disks.digest("a")
    disks.snapshot("a", "s", 3 * MIB)
    disks.write("a", 4096, b"changed")
    assert disks.digest("a") != before
    disks.destroy("s")
    assert not disks.path("s").exists()
    assert disks.digest("s") == before
    disks.close()
    with pytest.raises(FileNotFoundError):
        disks.digest("s")


def test_only_so_many_snapshots_are_remembered(disks: Disks) -> None:
    disks.make("a", DiskSpec(4096, seed=1))
    open_before = len(list(Path("/proc/self/fd").iterdir()))
    for number in range(70):
        disks.snapshot("a", f"s{number}", 4096)
        disks.destroy(f"s{number}")
    assert len(list(Path("/proc/self/fd").iterdir())) - open_before == 64
    assert disks.digest("s69")
    with pytest.raises(FileNotFoundError):
        disks.digest("s0")
    disks.close()


def test_the_end_of_a_range_limits_its_extents(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 8192)
    with path.open("rb") as file:
        assert list(sparse.data_extents(file.fileno(), 5000)) == [(0, 5000)]
        assert list(sparse.data_extents(file.fileno(), 5000, 5000)) == []


def test_two_disks_are_the_same_byte_for_byte_whatever_is_a_hole(disks: Disks) -> None:
    for name in "ab":
        disks.make(name, DiskSpec(9 * MIB + 512, seed=1, fill=0.3))
    assert disks.same("a", "b")
    holes = [at for at in range(0, 9 * MIB, MIB) if not any(disks.path("a").read_bytes()[at : at + MIB])]
    disks.write("a", holes[0], bytes(4096))
    assert disks.same("a", "b"), "written zeros and a hole hold the same"
    disks.write("b", holes[1] + 77, b"x")
    assert not disks.same("a", "b")
    assert not disks.same("b", "a")
    disks.make("c", DiskSpec(9 * MIB, seed=1, fill=0.3))
    assert not disks.same("a", "c")
