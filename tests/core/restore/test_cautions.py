"""What may keep a restored VM from being taken, or from running."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from tests.core.restore.cases import GIB, HOST, backup, disk, obj, ova, plan, pool, problems, sr

from vmbackup.images import VHD_LIMIT, OvaObject
from vmbackup.restore import Wishes
from vmbackup.xapi.surroundings import Host


def warnings(vm: Mapping[str, object], *, host: Host = HOST, more: tuple[OvaObject, ...] = ()) -> list[str]:
    planned = plan(there=pool(hosts=(host,)), meta=ova(vm=vm, more=more))
    assert planned.problems == ()
    return list(planned.warnings)


OLD, NEW = replace(HOST, platform=(2, 3, 0)), replace(HOST, platform=(3, 4, 0))
TPM = (obj("VTPM", 60, VM="Ref:1"),)


def test_nothing_is_said_of_a_plain_vm() -> None:
    assert warnings({}) == []


@pytest.mark.parametrize(
    ("vm", "words"),
    [
        ({"VGPUs": ["Ref:9"]}, "the VM has a GPU; it starts only where the pool has one of its kind free"),
        (
            {"other_config": {"pci": "0/0000:04:00.0"}},
            "PCI devices of its old host are passed through to the VM (0/0000:04:00.0); it starts only where they are",
        ),
        (
            {"memory_static_max": str(65 * GIB)},
            "the VM wants 69,793,218,560 bytes of memory, and no host has more than 68,719,476,736",
        ),
        ({"memory_static_max": str(64 * GIB)}, ""),
        ({"VCPUs_max": "17"}, "the VM has 17 CPUs, and no host has more than 16"),
        ({"VCPUs_max": "16"}, ""),
        (
            {"power_state": "Suspended", "last_boot_CPU_flags": {"vendor": "AuthenticAMD"}},
            "the VM is suspended on a CPU of AuthenticAMD, and does not resume on GenuineIntel",
        ),
        ({"power_state": "Suspended", "last_boot_CPU_flags": {"vendor": "GenuineIntel"}}, ""),
        ({"power_state": "Suspended"}, ""),
        ({"power_state": "Halted", "last_boot_CPU_flags": {"vendor": "AuthenticAMD"}}, ""),
    ],
)
def test_a_caution(vm: dict[str, object], words: str) -> None:
    assert warnings(vm) == ([words] if words else [])


@pytest.mark.parametrize(
    ("host", "said"),
    [(OLD, True), (replace(HOST, platform=(3, 0, 0)), False), (NEW, False), (replace(HOST, platform=()), False)],
)
def test_uefi(host: Host, said: bool) -> None:  # noqa: FBT001 - a case
    words = ["the VM boots by UEFI, which this pool does not know"] if said else []
    assert warnings({"HVM_boot_params": {"firmware": "uefi"}}, host=host) == words


@pytest.mark.parametrize(("host", "said"), [(HOST, True), (replace(HOST, platform=(3, 3, 0)), False)])
def test_a_virtual_tpm(host: Host, said: bool) -> None:  # noqa: FBT001 - a case
    words = ["the VM has a virtual TPM, which this pool does not know; what is sealed in it is lost"] if said else []
    assert warnings({}, host=host, more=TPM) == words
    assert warnings({}, host=host, more=(obj("VTPM", 60, VM="Ref:2"),)) == [], "another VM's"


def test_the_largest_host_counts_and_the_oldest() -> None:
    hosts = (HOST, replace(HOST, memory=128 * GIB, cpus=32, platform=(2, 9, 0)))
    vm = {"memory_static_max": str(100 * GIB), "VCPUs_max": "20", "HVM_boot_params": {"firmware": "uefi"}}
    assert list(plan(there=pool(hosts=hosts), meta=ova(vm=vm)).warnings) == [
        "the VM boots by UEFI, which this pool does not know"
    ]


def test_hosts_that_tell_nothing_are_believed() -> None:
    silent = replace(HOST, cpus=0, vendor="", memory=0, xapi=(), platform=())
    vm = {
        "memory_static_max": str(1000 * GIB),
        "VCPUs_max": "999",
        "HVM_boot_params": {"firmware": "uefi"},
        "power_state": "Suspended",
        "last_boot_CPU_flags": {"vendor": "AuthenticAMD"},
    }
    assert warnings(vm, host=silent, more=TPM) == []


@pytest.mark.parametrize(
    ("wrote", "runs", "refused"),
    [
        ((1, 20), (1, 20, 0), False),
        ((1, 20), (1, 20), False),
        ((1, 21), (1, 20, 9), True),
        ((2, 0), (1, 249, 31), True),
        ((1, 249), (23, 31, 0), False),
        ((1, 249), (), False),
    ],
)
def test_the_version_of_the_archive(wrote: tuple[int, int], runs: tuple[int, ...], refused: bool) -> None:  # noqa: FBT001 - a case
    there, meta = pool(hosts=(replace(HOST, xapi=runs), replace(HOST, xapi=(99,)))), ova(version=wrote)
    numbers = ".".join(map(str, wrote)), ".".join(map(str, runs))
    words = "the backup is of xapi {}, and the pool's {} takes nothing newer than itself".format(*numbers)
    for wishes in (Wishes(), Wishes(map_sr=(("xvda", "fast"),))):
        assert problems(plan(wishes, there, meta=meta)) == ([words] if refused else [])
    assert problems(plan(Wishes(disk="root"), there, meta=meta)) == [], "a disk has no version"


def test_a_vm_made_from_metadata_has_no_version() -> None:
    of = backup(backup().manifest.image.disks[:1], form="raw")  # type: ignore[union-attr]
    planned = plan(there=pool(hosts=(OLD,)), of=of, meta=ova(version=(99, 0)))
    assert (planned.problems, planned.way) == ((), "machine")


@pytest.mark.parametrize(
    ("compressor", "packed_by", "host", "refused"),
    [
        ("zstd", "host", replace(HOST, platform=(3, 0, 0)), True),
        ("zstd", "host", replace(HOST, platform=(3, 1, 0)), False),
        ("zstd", "host", replace(HOST, platform=()), False),
        ("zstd", "vmbackup", OLD, False),
        ("gzip", "host", OLD, False),
    ],
)
def test_zstd_of_a_host(compressor: str, packed_by: str, host: Host, refused: bool) -> None:  # noqa: FBT001 - a case
    of, there = backup(compressor=compressor, packed_by=packed_by), pool(hosts=(host,))
    found = problems(plan(there=there, of=of))
    words = "the image was compressed with zstd by its host, and this pool is older than 8.1, which cannot unpack it"
    assert found == ([words] if refused else [])
    assert problems(plan(Wishes(map_sr=(("xvda", "fast"),)), there, of=of)) == [], "it is unpacked on the way"


LARGE = disk(1, "data", size=VHD_LIMIT + 512)


def test_a_disk_that_no_vhd_holds() -> None:
    disks = (disk(0, "root"), LARGE)
    huge = pool(storage=(sr("default", size=VHD_LIMIT * 2), sr("fast")))
    words = "the disk 'data' is larger than the 2,190,433,320,960 bytes that a pool takes as a VHD"
    for wishes, problem in (
        (Wishes(), False),
        (Wishes(map_sr=(("root", "fast"),)), True),
        (Wishes(disk="data"), True),
        (Wishes(disk="root"), False),
    ):
        assert problems(plan(wishes, huge, backup(disks), ova(disks))) == ([words] if problem else [])
    alone = (LARGE.model_copy(update={"position": 0}),)
    assert problems(plan(Wishes(), huge, backup(alone, form="raw"), ova(alone))) == [], "a raw stream has no limit"


@pytest.mark.parametrize(("count", "refused"), [(8, False), (9, True)])
def test_disks_that_a_request_cannot_name(count: int, refused: bool) -> None:  # noqa: FBT001 - a case
    disks = tuple(disk(number, f"disk {number}") for number in range(count))
    there = pool(storage=(sr("default"), sr("fast")))
    words = f"the VM has {count} disks, and a pool takes the records of one around 8 at most"
    of, meta = backup(disks), ova(disks)
    assert problems(plan(Wishes(map_sr=(("xvda", "fast"),)), there, of, meta)) == ([words] if refused else [])
    assert problems(plan(Wishes(), there, of, meta)) == []
    assert problems(plan(Wishes(disk="xvdb"), there, of, meta)) == []
