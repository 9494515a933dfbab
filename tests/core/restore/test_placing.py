"""Which SR takes which disk, and whether there is room."""

import pytest
from tests.core.restore.cases import DISKS, GIB, POOL, advice, backup, disk, ova, plan, pool, problems, sr

from vmbackup.manifest import ImageDisk
from vmbackup.restore import Wishes
from vmbackup.restore.room import crowded
from vmbackup.restore.wishes import PlannedDisk


def places(wishes: Wishes, disks: tuple[ImageDisk, ...] = DISKS) -> list[str]:
    planned = plan(wishes, of=backup(disks), meta=ova(disks))
    assert planned.problems == ()
    return [one.storage.sr.name for one in planned.disks]


def test_the_default_sr_takes_what_nothing_is_said_of() -> None:
    assert places(Wishes()) == ["default", "default"]
    assert plan().way == "import"


@pytest.mark.parametrize("wanted", ["fast", "uuid-fast"])
def test_one_for_all_by_name_or_uuid(wanted: str) -> None:
    planned = plan(Wishes(sr=wanted))
    assert [one.storage.sr.name for one in planned.disks] == ["fast", "fast"]
    assert planned.way == "import"


@pytest.mark.parametrize("old", ["xvdb", "1", "snapshot-1", "original-1", "data", "older storage", "sr-older"])
def test_a_mapping_names_a_disk_or_its_old_sr(old: str) -> None:
    assert places(Wishes(map_sr=((old, "fast"),))) == ["default", "fast"]
    assert places(Wishes(sr="slow", map_sr=((old, "fast"),))) == ["slow", "fast"]


def test_disks_of_one_new_sr_come_by_one_import() -> None:
    assert plan(Wishes(map_sr=(("xvda", "fast"), ("xvdb", "fast")))).way == "import"
    assert plan(Wishes(map_sr=(("xvda", "fast"),))).way == "disks"


@pytest.mark.parametrize("turned", [False, True])
def test_a_disk_counts_before_the_sr_that_it_was_on(turned: bool) -> None:  # noqa: FBT001 - a case
    pairs = (("older storage", "slow"), ("xvdb", "fast"))
    assert places(Wishes(map_sr=pairs[::-1] if turned else pairs)) == ["default", "fast"]


def test_the_first_of_two_mappings_of_one_disk_counts() -> None:
    assert places(Wishes(map_sr=(("data", "slow"), ("xvdb", "fast")))) == ["default", "slow"]


def test_a_device_counts_before_the_name_of_another_disk() -> None:
    disks = (disk(0, "root"), disk(1, "xvda"))
    assert places(Wishes(map_sr=(("xvda", "fast"),)), disks) == ["fast", "default"]


def test_disks_of_one_name_go_together() -> None:
    disks = (disk(0, "data"), disk(1, "data"), disk(2, "root"))
    assert places(Wishes(map_sr=(("data", "fast"),)), disks) == ["fast", "fast", "default"]


def test_a_disk_without_a_device_has_no_empty_name() -> None:
    disks = (disk(0, "", device=""), disk(1, "data"))
    assert problems(plan(Wishes(map_sr=(("", "fast"),)), of=backup(disks), meta=ova(disks))) == [
        "--map-sr: no disk and no SR of the backup is ''"
    ]


@pytest.mark.parametrize(
    ("wishes", "problem", "hint"),
    [
        (Wishes(sr="nowhere"), "0 SRs of the pool are called 'nowhere'", "There are 'default', 'fast', 'slow'."),
        (Wishes(sr="ISOs"), "the SR 'ISOs' takes no disks of VMs", "Name another with --sr."),
        (
            Wishes(map_sr=(("xvdz", "fast"),)),
            "--map-sr: no disk and no SR of the backup is 'xvdz'",
            "It has xvda on 'old storage', xvdb on 'older storage'.",
        ),
        (Wishes(map_sr=(("xvdb", "nowhere"),)), "0 SRs of the pool are called 'nowhere'", "There are"),
    ],
)
def test_an_sr_that_will_not_do(wishes: Wishes, problem: str, hint: str) -> None:
    planned = plan(wishes)
    assert problems(planned) == [problem]
    assert advice(planned)[0].startswith(hint)


def test_two_srs_of_one_name() -> None:
    twins = (sr("local"), sr("local"))
    planned = plan(Wishes(sr="local"), pool(storage=(*POOL.storage, *twins)))
    assert problems(planned) == ["2 SRs of the pool are called 'local'"]
    assert advice(planned) == ["Name it by its UUID: uuid-local, uuid-local."]


@pytest.mark.parametrize("default", ["OpaqueRef:NULL", "OpaqueRef:gone"])
def test_a_pool_without_a_default_sr(default: str) -> None:
    there = pool(default_sr=default)
    planned = plan(there=there)
    assert problems(planned) == ["the pool has no default SR"]
    assert advice(planned) == ["Name one with --sr NAME or --sr UUID."]
    assert problems(plan(Wishes(sr="fast"), there)) == []
    assert problems(plan(Wishes(map_sr=(("xvda", "fast"), ("xvdb", "slow"))), there)) == []


def test_an_iso_library_as_the_default_sr() -> None:
    assert problems(plan(there=pool(default_sr="OpaqueRef:ISOs"))) == ["the SR 'ISOs' takes no disks of VMs"]


def test_a_vm_without_disks_needs_no_sr() -> None:
    planned = plan(there=pool(default_sr="OpaqueRef:NULL"), of=backup(()), meta=ova(()))
    assert (planned.problems, planned.disks, planned.way) == ((), (), "import")
    planned = plan(Wishes(map_sr=(("xvda", "fast"),)), of=backup(()), meta=ova(()))
    assert advice(planned) == ["It has none."]


@pytest.mark.parametrize(
    ("kind", "free", "found"),
    [
        # Two disks of 10 GiB with 1 GiB in each; a volume is a little larger than its disk.
        ("nfs", 21 * GIB, None),
        ("nfs", 20 * GIB, False),
        ("nfs", 2 * GIB, False),
        ("nfs", 2 * GIB - 1, True),
        ("lvmoiscsi", 21 * GIB, None),
        ("lvmoiscsi", 20 * GIB, True),
        ("lvm", 2 * GIB - 1, True),
    ],
)
def test_room(kind: str, free: int, found: bool | None) -> None:  # noqa: FBT001 - a case
    storage = sr("small", kind=kind, size=100 * GIB, used=100 * GIB - free)
    whole = 2 * 10 * GIB + 2 * (10 * GIB // 512) + 2 * (8 << 20)
    told = list(crowded(PlannedDisk(one, storage) for one in DISKS))
    assert [sure for _, _, sure in told] == ([] if found is None else [found])
    planned = plan(Wishes(sr="small"), pool(storage=(storage,)))
    needed = 2 * GIB if found and kind == "nfs" else whole
    words = f"small: {free:,} bytes are free, and {needed:,} are needed"
    assert problems(planned) == ([words] if found else [])
    assert list(planned.warnings) == ([f"{words} once the disks are full"] if found is False else [])


def test_room_is_counted_by_sr() -> None:
    small = sr("small", kind="lvm", size=11 * GIB)
    there = pool(storage=(*POOL.storage, small))
    assert problems(plan(Wishes(sr="small"), there)) != []
    assert problems(plan(Wishes(map_sr=(("xvda", "small"),)), there)) == []


def test_an_sr_that_does_not_tell_its_size_is_believed() -> None:
    there = pool(storage=(sr("silent", size=0, used=0),))
    planned = plan(Wishes(sr="silent"), there)
    assert (planned.problems, planned.warnings) == ((), ())
