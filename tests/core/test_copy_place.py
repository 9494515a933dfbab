from dataclasses import replace

import pytest
from tests.core.builders import STORAGE, disk

from vmbackup.copy_place import Need, need_of, place_for, shortage
from vmbackup.errors import PlanError
from vmbackup.headroom import Margin
from vmbackup.models import SR, Disk, Place

MIB = 1 << 20


def place(name: str, kind: str = "nfs", *, hosts: str = "a b", size: int = 1 << 40, library: bool = False) -> Place:
    sr = SR(f"uuid-{name}", name, kind, size, 0, snapshots=True)
    return Place(f"OpaqueRef:{name}", sr, library, frozenset(hosts.split()))


HOME = Place("OpaqueRef:home", STORAGE, library=False, hosts=frozenset({"a", "b"}))
DISKS = (disk(0, size=8 * MIB), disk(1, "xvdb", 4 * MIB))


@pytest.mark.parametrize("wanted", ["vault", "uuid-vault"])
def test_an_sr_by_its_name_or_uuid(wanted: str) -> None:
    assert place_for(wanted, DISKS, [HOME, place("vault"), place("other")]).sr.name == "vault"


@pytest.mark.parametrize(
    ("places", "words"),
    [
        ([], "there is no SR 'vault' in the pool for the copy"),
        ([place("vault"), replace(place("vault"), ref="two")], "2 SRs of the pool are called 'vault'"),
        ([place("vault", library=True)], "takes no disks of VMs"),
        ([place("vault", hosts="")], "is attached to no host"),
        ([place("vault", hosts="c")], "no host sees both the disk 'root' on 'NFS storage' and the SR 'vault'"),
    ],
)
def test_an_sr_that_cannot_take_it(places: list[Place], words: str) -> None:
    with pytest.raises(PlanError, match=words) as raised:
        place_for("vault", DISKS, [HOME, *places])
    assert raised.value.advice


def test_one_host_that_sees_both_is_enough() -> None:
    assert place_for("vault", DISKS, [HOME, place("vault", hosts="b")]).hosts == {"b"}


def _on(kind: str) -> tuple[Disk, ...]:
    return tuple(replace(one, sr=replace(STORAGE, type=kind)) for one in DISKS)


@pytest.mark.parametrize(
    ("source", "target", "need"),
    [
        ("nfs", "lvm", Need(36 * MIB, 36 * MIB)),
        ("nfs", "nfs", Need(36 * MIB, 6 * MIB)),
        ("lvm", "nfs", Need(36 * MIB, 0)),
    ],
)
def test_what_it_needs(source: str, target: str, need: Need) -> None:
    assert need_of(_on(source), place("vault", target)) == need


def test_what_lacks() -> None:
    vault = place("vault", size=100)
    margin = Margin(free=10)
    assert shortage(90, vault, margin) == ""
    assert shortage(91, vault, margin) == "the SR 'vault' has 100 bytes free; the copy needs 91, and 10 stay free"
    assert "100 bytes free, 5 of them for the copies before it; the copy needs 90" in shortage(90, vault, margin, 5)
    assert shortage(1 << 60, place("vault", size=0), margin) == "", "an SR that does not tell is believed to have room"
