"""The plan as a whole: the way, contradictions, clashes with what is there, and metadata that makes no sense."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.core.restore.cases import (
    DISKS,
    MACS,
    NETWORKS,
    SRS,
    VIFS,
    VM,
    advice,
    backup,
    neighbour,
    obj,
    ova,
    ova_disk,
    plan,
    pool,
    problems,
)

from vmbackup.errors import VmbackupError
from vmbackup.images import Ova, OvaObject, OvaVersion
from vmbackup.restore import Wishes
from vmbackup.restore.records import new_vif, new_vm


@pytest.mark.parametrize(
    ("wishes", "form", "way"),
    [
        (Wishes(), "xva", "import"),
        (Wishes(map_sr=(("xvda", "fast"),)), "xva", "disks"),
        (Wishes(disk="root"), "xva", "disk"),
        (Wishes(), "raw", "machine"),
        (Wishes(), "vhd", "machine"),
        (Wishes(disk="root"), "vhd", "disk"),
        (Wishes(vm="host"), "raw", "disk"),
    ],
)
def test_the_way(wishes: Wishes, form: str, way: str) -> None:
    of = backup(DISKS if form == "xva" else DISKS[:1], form=form)
    planned = plan(wishes, pool(neighbours=(neighbour("host"),)), of)
    assert (planned.problems, planned.way) == ((), way)
    assert [one.disk for one in planned.disks] == list(DISKS if way in {"import", "disks"} else DISKS[:1])
    assert bool(planned.vifs) == (way != "disk")


def test_a_wish_comes_through() -> None:
    planned = plan(Wishes(name="back", tags=("a", "b"), start=True, force=True))
    assert (planned.name, planned.tags, planned.start, planned.force) == ("back", ("a", "b"), True, True)
    assert plan().name == "web"


@pytest.mark.parametrize(
    ("wishes", "form", "words"),
    [
        (Wishes(disk="root", name="x"), "xva", "a disk alone has no name, tag, network or MAC"),
        (Wishes(disk="root", tags=("x",)), "xva", "a disk alone has no name, tag, network or MAC"),
        (Wishes(disk="root", map_network=(("a", "b"),)), "xva", "a disk alone has no name, tag, network or MAC"),
        (Wishes(disk="root", new_mac=True), "xva", "a disk alone has no name, tag, network or MAC"),
        (Wishes(disk="root", preserve=True), "xva", "a disk alone has no name, tag, network or MAC"),
        (Wishes(disk="root", start=True), "xva", "a disk alone cannot be started"),
        (Wishes(disk="root", force=True), "xva", "--force sends a whole image as it is, and no single disks out of it"),
        (
            Wishes(map_sr=(("xvda", "fast"),), force=True),
            "xva",
            "--force sends a whole image as it is, and no single disks out of it",
        ),
        (Wishes(preserve=True, new_mac=True), "xva", "--preserve keeps what --new-mac would change"),
        (Wishes(preserve=True), "raw", "--preserve is for whole VMs; the MACs of this one are kept anyway"),
        (Wishes(disk="root", vm="host", start=True), "xva", "the VM 'host' is running already"),
        (Wishes(disk="nothing"), "xva", "nas:web@2026 has no disk 'nothing'"),
        (Wishes(disk=""), "xva", "nas:web@2026 has no disk ''"),
        (Wishes(disk="root", vm=""), "xva", "0 VMs of the pool are called ''"),
        (Wishes(vm="host"), "xva", "nas:web@2026 has 2 disks"),
    ],
)
def test_a_contradiction(wishes: Wishes, form: str, words: str) -> None:
    of = backup(DISKS if form == "xva" else DISKS[:1], form=form)
    planned = plan(wishes, pool(neighbours=(neighbour("host", state="Running"),)), of)
    assert problems(planned) == [words]
    assert advice(planned) != [""]


@pytest.mark.parametrize("wishes", [Wishes(disk="root", force=True), Wishes(force=True)])
def test_a_disks_own_image_may_be_forced(wishes: Wishes) -> None:
    assert problems(plan(wishes, of=backup(DISKS[:1], form="raw"))) == []


def test_the_vm_that_gets_the_disk() -> None:
    there = pool(
        neighbours=(
            neighbour("host", positions=(0, 3)),
            neighbour("twin", uuid="one"),
            neighbour("twin", uuid="two"),
            neighbour("sleeper", state="Suspended"),
        )
    )
    planned = plan(Wishes(disk="data", vm="host"), there)
    assert planned.host
    assert (planned.problems, planned.host.name) == ((), "host")
    assert plan(Wishes(disk="data", vm="one"), there).host == there.neighbours[1]
    assert problems(plan(Wishes(disk="data", vm="sleeper", start=True), there)) == []
    for wanted, words in (
        ("host", "the VM 'host' has something at position 0 already"),
        ("twin", "2 VMs of the pool are called 'twin'"),
        ("nobody", "0 VMs of the pool are called 'nobody'"),
    ):
        assert problems(plan(Wishes(disk="root", vm=wanted), there)) == [words]


@pytest.mark.parametrize("state", ["Running", "Halted", "Paused"])
@pytest.mark.parametrize("wishes", [Wishes(), Wishes(start=True), Wishes(start=True, new_mac=True)])
def test_a_mac_that_another_vm_has(state: str, wishes: Wishes) -> None:
    # In one letter case or another.
    other = neighbour("other", state=state, macs=[MACS[0].lower(), "02:00:00:00:00:99"])
    planned = plan(wishes, pool(neighbours=(other,)))
    mac = MACS[0].lower()
    running = [f"the VM 'other' (uuid-other) is running with {mac}"]
    assert problems(planned) == (running if wishes.start and not wishes.new_mac and state == "Running" else [])
    warning = (
        f"the VM 'other' (uuid-other, {state.lower()}) has the MAC {mac} too: they must not run at the same time; "
        "--new-mac gives this one its own"
    )
    assert list(planned.warnings) == ([] if wishes.new_mac else [warning])


def test_interfaces_without_a_mac_clash_with_none() -> None:
    nameless = obj("VIF", 20, device="0", network="Ref:30", MAC="")
    planned = plan(Wishes(start=True), pool(neighbours=(neighbour("o", state="Running"),)), meta=ova(vifs=[nameless]))
    assert (planned.problems, planned.warnings) == ((), ())


def test_a_vm_of_the_same_name() -> None:
    there = pool(neighbours=(neighbour("web"),))
    assert list(plan(there=there).warnings) == [
        "there is a VM 'web' already (uuid-web, halted); --as gives this one another name"
    ]
    assert plan(Wishes(name="back"), there).warnings == ()
    assert plan(Wishes(disk="root"), there).warnings == ()


@pytest.mark.parametrize(
    ("there", "clash"),
    [
        (neighbour("o", uuid="vm-uuid"), True),
        (neighbour("o", uuid="vm-uuid", state="Running"), True),
        (neighbour("o", seed="seed"), True),
        (neighbour("o", seed="another"), False),
        (neighbour("o"), False),
    ],
)
def test_the_original_is_in_the_way_of_what_preserves_it(there: object, clash: bool) -> None:  # noqa: FBT001 - a case
    around = pool(neighbours=(there,))
    found = problems(plan(Wishes(preserve=True), around))
    words = f"the VM 'o' ({there.uuid}) is the original or a copy of it, and is still in the pool"  # type: ignore[attr-defined]
    assert found == ([words] if clash else [])
    assert problems(plan(Wishes(), around)) == []


def test_vms_without_a_seed_are_no_copies_of_each_other() -> None:
    meta = ova(vm={"other_config": {}})
    assert problems(plan(Wishes(preserve=True), pool(neighbours=(neighbour("o"),)), meta=meta)) == []


def test_all_that_is_wrong_is_told_at_once() -> None:
    planned = plan(
        Wishes(sr="nowhere", map_sr=(("xvdz", "fast"),), map_network=(("x", "y"),), new_mac=True, preserve=True)
    )
    assert len(problems(planned)) == 4
    assert {problem.exit_code for problem in planned.problems} == {2}


ANYTHING = st.recursive(
    st.one_of(st.text(max_size=8), st.booleans(), st.floats(), st.none(), st.integers()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)
FIELDS = sorted({field for item in (*NETWORKS, *SRS, *VIFS) for field in item.record} | {*VM, "VGPUs", "MTU"})
RECORDS = st.dictionaries(
    st.one_of(st.sampled_from([*FIELDS, "last_boot_CPU_flags", "VM"]), st.text(max_size=4)), ANYTHING, max_size=8
)
OBJECTS = st.lists(st.tuples(st.sampled_from(["VM", "VIF", "network", "SR", "VTPM", "host"]), RECORDS), max_size=6)
WISHES = st.builds(
    Wishes,
    map_sr=st.sampled_from([(), (("xvda", "fast"),), (("old storage", "fast"), ("", "slow"))]),
    map_network=st.sampled_from([(), (("LAN", "DMZ"),)]),
    new_mac=st.booleans(),
    preserve=st.booleans(),
    start=st.booleans(),
    disk=st.sampled_from([None, "root"]),
)


@settings(max_examples=400)
@given(objects=OBJECTS, wishes=WISHES, form=st.sampled_from(["xva", "raw"]))
def test_metadata_of_any_kind_gives_a_plan(
    objects: list[tuple[str, dict[str, object]]], wishes: Wishes, form: str
) -> None:
    of = backup(DISKS if form == "xva" else DISKS[:1], form=form)
    found = tuple(OvaObject(cls, f"Ref:{number}", record) for number, (cls, record) in enumerate(objects))
    meta = Ova(OvaVersion(2, 1, 20, "", ""), found, tuple(ova_disk(disk, "Ref:0") for disk in DISKS))
    planned = plan(wishes, pool(neighbours=(neighbour("o", state="Running", macs=[MACS[1]]),)), of, meta)
    assert all(isinstance(said, str) for said in (*planned.warnings, *problems(planned), *advice(planned)))
    try:
        new_vm(meta, "x", "sign")
        for vif in meta.of_class("VIF"):
            new_vif(vif.record, "vm", "network", "")
    except VmbackupError:
        pass


def test_a_record_with_a_field_missing_or_of_another_kind_is_read_as_without_it() -> None:
    whole = ova(vm={"VGPUs": ["Ref:9"], "HVM_boot_params": {"firmware": "uefi"}})
    assert len(plan(meta=whole, there=pool(hosts=(replace(pool().hosts[0], platform=(2, 0)),))).warnings) == 2
    damaged = ova(vm={"VGPUs": "Ref:9", "HVM_boot_params": ["uefi"], "other_config": "pci", "memory_static_max": {}})
    assert plan(meta=damaged).warnings == ()
