"""Storage that should be spared a snapshot is, and says which disk or SR it is."""

from dataclasses import replace

import pytest
from tests.core.builders import STORAGE, disk

from vmbackup.headroom import Margin, refusal, volume

GIB, MIB = 1 << 30, 1 << 20
THIN = replace(STORAGE, size=100 * GIB, used=0)
THICK = replace(THIN, type="lvmoiscsi", name="SAN")


@pytest.mark.parametrize(("chain", "refused"), [(1, False), (27, False), (28, True), (30, True)])
def test_a_chain_that_is_too_long(chain: int, *, refused: bool) -> None:
    why = refusal([disk(0), replace(disk(1, name="data"), chain=chain)], Margin())
    assert (why is not None) == refused
    if why:
        assert f"'data' on 'NFS storage' has {chain} images" in why[0]
        assert "max-chain" in why[1]


def test_the_limit_of_chains_is_a_setting() -> None:
    assert refusal([replace(disk(), chain=4)], Margin(chain=4)) is not None
    assert refusal([replace(disk(), chain=28)], Margin(chain=29)) is None


@pytest.mark.parametrize(
    ("size", "taken"),
    [(1, 12 * MIB), (4 * MIB - (8 << 10), 12 * MIB), (8 * MIB, 20 * MIB), (2048 * MIB, 2060 * MIB)],
)
def test_a_volume_has_tables_bitmaps_and_whole_extents(size: int, taken: int) -> None:
    assert volume(size) == taken


@pytest.mark.parametrize("short", [0, 1])
def test_a_thick_sr_needs_the_whole_disk_beside_what_stays_free(short: int) -> None:
    need = volume(10 * GIB)
    sr = replace(THICK, used=98 * GIB - need + short)
    why = refusal([replace(disk(size=10 * GIB), sr=sr)], Margin())
    assert (why is not None) == (short > 0)
    if why:
        assert f"'SAN' has {sr.free:,} bytes free; the snapshot needs {need:,}, and {2 * GIB:,} stay free" in why[0]
        assert "keep-free" in why[1]


def test_the_disks_of_one_sr_count_together_and_those_of_two_do_not() -> None:
    one = replace(disk(0, size=60 * GIB), sr=THICK)
    assert refusal([one, replace(disk(1, size=60 * GIB), sr=THICK)], Margin()) is not None
    assert refusal([one, replace(disk(1, size=60 * GIB), sr=replace(THICK, uuid="another"))], Margin()) is None


def test_a_thin_sr_needs_only_what_stays_free() -> None:
    large = disk(size=1 << 50)
    assert refusal([replace(large, sr=replace(THIN, used=98 * GIB))], Margin()) is None
    assert refusal([replace(large, sr=replace(THIN, used=98 * GIB + 1))], Margin()) is not None
    assert refusal([replace(large, sr=replace(THIN, used=90 * GIB))], Margin(free=11 * GIB)) is not None
    assert refusal([replace(large, sr=replace(THIN, used=100 * GIB))], Margin(free=0)) is None


def test_an_sr_that_does_not_tell_its_size_is_believed_to_have_room() -> None:
    assert refusal([replace(disk(size=1 << 50), sr=replace(THICK, size=0, used=0))], Margin()) is None


def test_nothing_is_refused_where_nothing_is_snapshotted() -> None:
    assert refusal([], Margin()) is None
