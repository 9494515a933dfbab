import itertools

from vmbackup_targets.s3.parts import MIB, PARTS, flight, sizes

GIB = 1024 * MIB


def test_ten_thousand_parts_hold_five_tebibytes_and_each_is_one_that_s3_takes() -> None:
    parts = list(sizes(None))
    assert len(parts) == PARTS
    assert sum(parts) >= 5 * 1024 * GIB
    assert all(5 * MIB <= part <= 5 * GIB for part in parts)
    assert parts == sorted(parts)


def test_what_is_under_way_stays_small_as_long_as_the_file_is() -> None:
    # What is under way, and the part that is being filled.
    memory = [(flight(size) + 1) * size for size in sizes(None)]
    sent = list(itertools.accumulate(sizes(None)))
    for room, most in ((7 * GIB, 80 * MIB), (50 * GIB, 320 * MIB), (115 * GIB, 384 * MIB), (10_000 * GIB, 2112 * MIB)):
        assert max(used for used, so_far in zip(memory, sent, strict=True) if so_far <= room) <= most


def test_several_are_always_under_way() -> None:
    assert flight(5 * MIB) == flight(64 * MIB) == 4
    assert flight(128 * MIB) == flight(5 * GIB) == 2


def test_all_may_be_of_one_size() -> None:
    assert list(sizes(64 * MIB)) == [64 * MIB] * PARTS
