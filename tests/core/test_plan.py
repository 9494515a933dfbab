import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from tests.core.builders import disk, inventory, vm

from vmbackup.config import Job
from vmbackup.contracts import Method
from vmbackup.headroom import Margin
from vmbackup.methods.vdi_export import VdiExport, VdiExportSettings
from vmbackup.methods.vm_export import VmExport, VmExportSettings
from vmbackup.models import SR, VM, Place
from vmbackup.plan import Plan, make_plan
from vmbackup.results import Failure
from vmbackup.settings import Settings

METHODS: dict[str, Method[Settings]] = {
    "vm-export": VmExport("vm-export", VmExportSettings()),
    "vdi-export": VdiExport("vdi-export", VdiExportSettings()),
}
TWINS = (vm("twin", "aaaaaaaa-1"), vm("twin", "bbbbbbbb-2"))


def job(*vms: str | dict[str, object], exclude: tuple[str, ...] = (), **more: object) -> Job:
    return Job.model_validate(
        {
            "targets": ["nas"],
            "keep": {"last": 4},
            "vms": [{"match": entry} if isinstance(entry, str) else entry for entry in vms],
            "exclude": [{"match": entry} for entry in exclude],
            **more,
        }
    )


def planned(of: Job, *vms: VM) -> Plan:
    return make_plan("weekend", of, inventory(*vms), METHODS)


def said(problems: tuple[Failure, ...]) -> str:
    return "\n".join(problem.message for problem in problems)


def test_each_vm_gets_its_entry_s_rules_and_the_job_s_where_that_says_none() -> None:
    weekend = job(
        {"match": "PROD-large", "method": "vdi-export"},
        "PROD*",
        {"match": "DEV-RH*", "keep": {"last": 3}},
        exclude=("PROD-print*",),
    )
    large = vm("PROD-large", disks=[disk(0, size=8 << 20), disk(1, "xvdb", 1 << 40)])
    web, build, left, other = vm("PROD-web"), vm("DEV-RH8"), vm("PROD-print-1"), vm("mail")
    plan = planned(weekend, large, web, build, left, other)
    assert plan.problems == ()
    assert plan.notes == ()
    assert [(task.vm.name, task.method, task.keep.last) for task in plan.tasks] == [
        ("PROD-large", "vdi-export", 4),
        ("PROD-web", "vm-export", 4),
        ("DEV-RH8", "vm-export", 3),
    ]
    assert plan.tasks[0].disks == (large.disks[0],)
    assert plan.tasks[0].estimate == 8 << 20
    assert [(covered.vm, covered.taken, covered.excluded) for covered in plan.inventory] == [
        ("PROD-large", True, False),
        ("PROD-web", True, False),
        ("DEV-RH8", True, False),
        ("PROD-print-1", False, True),
        ("mail", False, False),
    ]


def test_the_inventory_has_the_longest_chain_of_each_vm() -> None:
    web = vm("web", disks=[replace(disk(0), chain=2), replace(disk(1, "xvdb"), chain=5)])
    plan = planned(job("web"), web, vm("bare", disks=[]))
    assert [covered.chain for covered in plan.inventory] == [5, None]


def test_a_whole_vm_s_estimate_is_all_its_disks() -> None:
    plan = planned(job("web"), vm("web", disks=[disk(0, size=5), disk(1, "xvdb", 7)]))
    assert plan.tasks[0].estimate == 12
    assert len(plan.tasks[0].disks) == 2


def test_a_vm_without_disks_is_backed_up_whole_all_the_same() -> None:
    plan = planned(job("web"), vm("web", disks=[]))
    assert (plan.tasks[0].estimate, plan.problems) == (0, ())


@pytest.mark.parametrize("text", ["nobody", "name:nobody", "uuid:00000000-0000-4000-8000-000000000000"])
def test_a_vm_that_is_named_and_not_there_is_a_problem_and_the_rest_goes_on(text: str) -> None:
    plan = planned(job(text, "web"), vm("web"))
    assert [task.vm.name for task in plan.tasks] == ["web"]
    assert text in said(plan.problems)
    assert [problem.exit_code for problem in plan.problems] == [2]


@pytest.mark.parametrize("text", ["x*", "/x.+/", "tag:x"])
def test_a_wildcard_or_tag_that_fits_nothing_is_a_note(text: str) -> None:
    plan = planned(job(text, "web"), vm("web"))
    assert plan.problems == ()
    assert text in "\n".join(plan.notes)


def test_two_vms_of_one_name_cannot_be_named_by_it() -> None:
    plan = planned(job("twin", "web"), *TWINS, vm("web"))
    assert [task.vm.name for task in plan.tasks] == ["web"]
    assert len(plan.problems) == 1
    assert "2 VMs" in plan.problems[0].message
    assert "uuid:" in plan.problems[0].advice


def test_two_vms_of_one_name_can_each_be_named_by_uuid() -> None:
    plan = planned(job("uuid:aaaaaaaa-1", {"match": "uuid:bbbbbbbb-2", "keep": {"last": 1}}), *TWINS)
    assert plan.problems == ()
    assert {task.vm.uuid: task.keep.last for task in plan.tasks} == {"aaaaaaaa-1": 4, "bbbbbbbb-2": 1}


def test_a_wildcard_takes_two_vms_of_one_name_and_says_so() -> None:
    plan = planned(job("tw*"), *TWINS)
    assert {task.vm.uuid for task in plan.tasks} == {"aaaaaaaa-1", "bbbbbbbb-2"}
    assert plan.problems == ()
    assert re.search(r"2 VMs .*'twin'", "\n".join(plan.notes))


def test_no_note_about_a_name_of_which_only_one_is_taken() -> None:
    plan = planned(job("tw*", exclude=("uuid:aaaaaaaa-1",)), *TWINS)
    assert [task.vm.uuid for task in plan.tasks] == ["bbbbbbbb-2"]
    assert plan.notes == ()


def test_vdi_export_needs_a_disk_at_position_0() -> None:
    bare = vm("bare", disks=[disk(1, "xvdb")])
    plan = planned(job("*", method="vdi-export"), bare, vm("web"))
    assert [task.vm.name for task in plan.tasks] == ["web"]
    assert "bare" in said(plan.problems)
    assert "position 0" in said(plan.problems)


def test_vdi_export_takes_the_disk_at_position_0_whatever_it_is_called() -> None:
    odd = vm("odd", disks=[disk(0, "hda"), disk(1, "xvda")])
    plan = planned(job("odd", method="vdi-export"), odd)
    assert [taken.device for taken in plan.tasks[0].disks] == ["hda"]


def test_a_tie_is_a_problem_that_names_both_entries() -> None:
    plan = planned(job("w*", "*b"), vm("web"), vm("mob"))
    assert [task.vm.name for task in plan.tasks] == ["mob"]
    assert "'w*' and '*b'" in said(plan.problems)


def test_every_problem_is_told_at_once() -> None:
    plan = planned(
        job("nobody", "twin", "w*", "*b", {"match": "bare", "method": "vdi-export"}, "nothing*"),
        *TWINS,
        vm("web"),
        vm("bare", disks=[]),
        vm("wide"),
    )
    told = said(plan.problems)
    assert len(plan.problems) == 4
    assert all(word in told for word in ("nobody", "twin", "web", "bare"))
    assert [task.vm.name for task in plan.tasks] == ["wide"]
    assert len(plan.notes) == 1


def test_every_broken_regular_expression_is_told_before_anything_is_planned() -> None:
    with pytest.raises(ValidationError, match=r"(?s)vms\.0\.match.*exclude\.0\.match"):
        job("/(/", "web", exclude=("/[/",))


@pytest.mark.parametrize(("method", "packing", "fine"), [("vm-export", "zstd", True), ("vdi-export", "zstd", False)])
def test_a_host_compresses_what_it_can(method: str, packing: str, *, fine: bool) -> None:
    plan = planned(job("web", method=method, compress={"with": packing, "when": "host"}), vm("web"))
    assert bool(plan.tasks) is fine
    assert bool(plan.problems) is not fine


def test_our_own_compression_takes_every_method() -> None:
    plan = planned(job("web", method="vdi-export", compress={"with": "zstd"}), vm("web"))
    assert plan.problems == ()


def test_a_job_that_takes_no_vm_is_a_problem() -> None:
    plan = planned(job("*"))
    assert (plan.tasks, plan.inventory) == ((), ())
    assert "takes no VM" in said(plan.problems)
    assert len(plan.notes) == 1


NAMES = st.lists(st.sampled_from(["web", "web", "db", "twin", "twin", "PROD-1"]), max_size=6)
TEXTS = ["web", "w*", "*", "tw*", "twin", "db", "/.*b/", "uuid:u0"]
ENTRIES = st.lists(st.sampled_from(TEXTS), min_size=1, unique=True)


@given(names=NAMES, entries=ENTRIES)
def test_no_vm_is_planned_twice_and_none_is_lost_in_silence(names: list[str], entries: list[str]) -> None:
    vms = [vm(name, f"u{number}") for number, name in enumerate(names)]
    plan = planned(job(*entries), *vms)
    tasks = [task.vm.uuid for task in plan.tasks]
    assert len(tasks) == len(set(tasks))
    for covered in plan.inventory:
        if covered.taken and covered.uuid not in tasks:
            assert repr(covered.vm) in said(plan.problems)


def remarks(of: VM, method: str = "vm-export") -> str:
    plan = planned(job(of.name, method=method), of)
    assert plan.problems == ()
    return "\n".join(plan.tasks[0].remarks)


def test_what_is_special_about_a_vm_is_remarked_and_no_cause_for_a_warning() -> None:
    plain = vm("web")
    assert remarks(plain) == ""
    assert "without a snapshot" in remarks(replace(plain, power_state="Halted"))
    assert "without a snapshot" not in remarks(replace(plain, power_state="Halted"), method="vdi-export")
    assert "its memory" in remarks(replace(plain, power_state="Suspended"))
    assert "secrets of the VM: NVRAM" in remarks(replace(plain, secrets=("NVRAM",)))
    assert "the ISO 'tools.iso'" in remarks(replace(plain, discs=("tools.iso",)))
    unwanted = vm("web", disks=[disk(0), disk(1, name="swap [NOBAK]")])
    assert "'swap [NOBAK]' is left out" in remarks(unwanted)
    plan = planned(job("web"), unwanted)
    assert plan.notes == ()
    assert plan.tasks[0].disks == unwanted.disks[:1]
    assert plan.tasks[0].estimate == unwanted.disks[0].virtual_size


def test_a_snapshot_that_would_be_refused_now_is_a_note_and_the_vm_is_tried_all_the_same() -> None:
    long = vm("web", disks=[replace(disk(), chain=29)])
    plan = planned(job("web"), long)
    assert plan.problems == ()
    assert len(plan.tasks) == 1
    assert "web: no snapshot as things stand: the chain of the disk 'root'" in plan.notes[0]
    assert planned(job("web"), replace(long, power_state="Halted")).notes == (), "it needs none"


class Copying(VmExport):
    """Leaves a copy of each VM on another SR."""

    def keeps_copy_on(self, vm: VM) -> str | None:
        return "vault"


def copying(free: int, *vms: VM, copied: frozenset[tuple[str, str]] = frozenset(), kind: str = "lvm") -> Plan:
    vault = Place(
        "OpaqueRef:vault", SR("vault", "vault", kind, free, 0, snapshots=True), library=False, hosts=frozenset({"a"})
    )
    there = replace(inventory(*vms), places=(vault,), copied=copied)
    method = Copying("copying", VmExportSettings())
    return make_plan("weekend", job("*", method="copying"), there, {"copying": method}, Margin(free=0))


def test_the_copies_of_a_job_need_their_room_together() -> None:
    web, mail = vm("a"), vm("b")
    assert copying(40 << 20, web, mail).problems == ()
    short = copying((40 << 20) - 1, web, mail)
    assert [task.vm.name for task in short.tasks] == ["a"]
    assert "b: the SR 'vault' has 41,943,039 bytes free, 20,971,520 of them for the copies before it" in said(
        short.problems
    )


def test_a_copy_that_takes_the_place_of_another_needs_its_room_for_a_while_only() -> None:
    web, mail = vm("a"), vm("b")
    standing = frozenset({("weekend", web.uuid), ("weekend", mail.uuid)})
    assert copying(20 << 20, web, mail, copied=standing).problems == ()
    assert len(copying((20 << 20) - 1, web, mail, copied=standing).problems) == 2
    assert len(copying(20 << 20, web, mail, copied=frozenset({("another", web.uuid)})).problems) == 1


def test_a_thin_sr_that_may_fill_up_is_a_note() -> None:
    plan = copying(8 << 20, vm("a"), kind="nfs")
    assert plan.problems == ()
    (note,) = plan.notes
    assert note.startswith(
        "a: once all disks are full, the SR 'vault' has 8,388,608 bytes free; the copy needs 20,971,520"
    )
