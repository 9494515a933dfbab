"""What a guest reports after the start of its VM, and of which VMs nobody ever hears."""

import re
from pathlib import Path

import pytest
from tests.core.simulator.client import Client, Refused

from vmbackup.simulator import DiskSpec, Simulator

MIB = 1 << 20
NULL = "OpaqueRef:NULL"


def guest_of(xapi: Client, vm: str) -> str:
    ref: str = xapi("VM.get_guest_metrics", vm)
    return ref


def halted(sim: Simulator, xapi: Client, name: str, seed: int) -> str:
    return xapi.vm(sim.add_vm(name, [DiskSpec(2 * MIB, seed=seed, fill=1), DiskSpec(MIB)], power_state="Halted"))


def imported(xapi: Client, image: bytes) -> str:
    task = xapi.task()
    xapi.put("/import", image.removesuffix(bytes(1024)), session_id=xapi.session, task_id=task)
    found = re.search(r"OpaqueRef:[0-9a-f-]+", xapi.wait(task)["result"])
    assert found
    return found.group()


def put_onto(xapi: Client, vdi: str, data: bytes) -> None:
    task = xapi.task()
    xapi.put("/import_raw_vdi", data, session_id=xapi.session, task_id=task, vdi=vdi)
    assert xapi.wait(task)["status"] == "success"


def assert_stays_silent(sim: Simulator, xapi: Client, vm: str) -> None:
    """Start a VM, and another one after it that boots: by then the first would have booted too."""
    xapi.start(vm)
    other = halted(sim, xapi, "a control", seed=99)
    xapi.start(other)
    xapi.booted(other)
    assert (xapi("VM.get_power_state", vm), guest_of(xapi, vm)) == ("Running", NULL)


def test_the_guest_of_a_running_vm_reports(sim: Simulator, xapi: Client) -> None:
    vm = xapi.vm(sim.add_vm("a", [DiskSpec(MIB)], networks=2))
    guest = xapi("VM_guest_metrics.get_record", guest_of(xapi, vm))
    assert (guest["live"], guest["PV_drivers_detected"], guest["PV_drivers_up_to_date"]) == (True, True, True)
    assert guest["os_version"]["distro"] == "debian"
    assert (guest["networks"]["0/ip"], guest["networks"]["1/ip"]) == ("192.0.2.10", "192.0.2.11")


def test_a_guest_reports_some_time_after_the_start_and_no_more_when_it_halts(sim: Simulator, xapi: Client) -> None:
    vm = halted(sim, xapi, "a", seed=1)
    assert guest_of(xapi, vm) == NULL
    xapi.start(vm)
    xapi.booted(vm)
    reported = guest_of(xapi, vm)
    xapi("VM.clean_shutdown", vm)
    assert guest_of(xapi, vm) == NULL
    with pytest.raises(Refused) as caught:
        xapi("VM_guest_metrics.get_record", reported)
    assert caught.value.details == ["HANDLE_INVALID", "VM_guest_metrics", reported]


def test_before_it_has_booted_a_vm_can_only_be_shut_down_hard(tmp_path: Path) -> None:
    with Simulator(tmp_path, tls=False, boot_seconds=3600) as sim:
        xapi = Client(sim)
        vm = halted(sim, xapi, "a", seed=1)
        xapi.start(vm)
        assert (xapi("VM.get_power_state", vm), guest_of(xapi, vm)) == ("Running", NULL)
        assert "clean_shutdown" not in xapi("VM.get_allowed_operations", vm)
        with pytest.raises(Refused) as caught:
            xapi("VM.clean_shutdown", vm)
        assert caught.value.details == ["VM_LACKS_FEATURE", vm]
        xapi("VM.hard_shutdown", vm)
        assert xapi("VM.get_power_state", vm) == "Halted"


def test_what_a_snapshot_caught_of_a_running_guest_boots_when_it_is_imported(sim: Simulator, xapi: Client) -> None:
    vm = xapi.vm(sim.add_vm("a", [DiskSpec(2 * MIB, seed=1, fill=1), DiskSpec(MIB)]))
    with sim.editing() as pool:
        pool.disks.write(xapi.disks(vm)[0]["uuid"], 4096, b"what the guest has written since it was installed")
    snapshot = xapi("VM.snapshot", vm, "s")
    xapi.set_is_a_template(snapshot, value=False)
    copy = imported(xapi, xapi.export(snapshot)[0].body)
    xapi.start(copy)
    xapi.booted(copy)


def test_what_a_guest_leaves_behind_boots_again(sim: Simulator, xapi: Client) -> None:
    vm = xapi.vm(sim.add_vm("a", [DiskSpec(2 * MIB, seed=1, fill=1)]))
    (disk,) = xapi.disks(vm)
    for begin in ("VM.clean_shutdown", "VM.hard_shutdown"):
        before = sim.digest(disk["uuid"])
        with sim.editing() as pool:
            pool.disks.write(disk["uuid"], 8192, begin.encode())
        xapi(begin, vm)
        assert sim.digest(disk["uuid"]) != before
        xapi.start(vm)
        xapi.booted(vm)


def test_a_guest_is_up_again_after_a_reboot_and_stays_up_while_it_sleeps(sim: Simulator, xapi: Client) -> None:
    vm = xapi.vm(sim.add_vm("a", [DiskSpec(MIB, seed=1)], memory=8 * MIB))
    first = guest_of(xapi, vm)
    xapi("VM.clean_reboot", vm)
    xapi.booted(vm)
    second = guest_of(xapi, vm)
    assert second != first
    xapi("VM.suspend", vm)
    xapi("VM.resume", vm, False, False)  # noqa: FBT003  the wire's own parameters
    assert guest_of(xapi, vm) == second


def test_a_guest_boots_when_its_paused_vm_goes_on(sim: Simulator, xapi: Client) -> None:
    vm = halted(sim, xapi, "a", seed=1)
    xapi("VM.start", vm, True, False)  # noqa: FBT003  the wire's own parameters
    assert (xapi("VM.get_power_state", vm), guest_of(xapi, vm)) == ("Paused", NULL)
    xapi("VM.unpause", vm)
    xapi.booted(vm)


def test_a_suspended_guest_that_is_exported_boots_from_the_disk_that_it_left(sim: Simulator, xapi: Client) -> None:
    vm = xapi.vm(sim.add_vm("a", [DiskSpec(2 * MIB, seed=1, fill=1)], memory=8 * MIB))
    with sim.editing() as pool:
        pool.disks.write(xapi.disks(vm)[0]["uuid"], 4096, b"a change")
    xapi("VM.suspend", vm)
    copy = imported(xapi, xapi.export(vm)[0].body)
    xapi.start(copy)
    xapi.booted(copy)


def test_a_disk_with_a_wrong_bit_starts_and_does_not_boot(sim: Simulator, xapi: Client) -> None:
    vm = halted(sim, xapi, "a", seed=1)
    (disk, _) = xapi.disks(vm)
    right = sim.disk_path(disk["uuid"]).read_bytes()
    put_onto(xapi, disk["ref"], right[:-1] + bytes([right[-1] ^ 1]))
    assert_stays_silent(sim, xapi, vm)
    xapi("VM.hard_shutdown", vm)
    put_onto(xapi, disk["ref"], right)
    xapi.start(vm)
    xapi.booted(vm)


def test_a_guest_boots_from_disk_0_and_no_other(sim: Simulator, xapi: Client) -> None:
    vm = halted(sim, xapi, "a", seed=1)
    drives = {xapi("VBD.get_userdevice", vbd): vbd for vbd in xapi("VM.get_VBDs", vm)}
    xapi("VBD.destroy", drives["0"])
    assert_stays_silent(sim, xapi, vm)


def test_a_guest_without_an_agent_is_never_heard_of(sim: Simulator, xapi: Client) -> None:
    vm = xapi.vm(sim.add_vm("a", [DiskSpec(MIB, seed=1)], agent=False))
    assert (xapi("VM.get_power_state", vm), guest_of(xapi, vm)) == ("Running", NULL)
    xapi("VM.hard_shutdown", vm)
    assert_stays_silent(sim, xapi, vm)


def test_a_big_disk_of_holes_boots_like_a_small_one(sim: Simulator, xapi: Client) -> None:
    vm = xapi.vm(sim.add_vm("a", [DiskSpec(4 << 40, seed=1, fill=0)], power_state="Halted"))
    xapi.start(vm)
    xapi.booted(vm)


def test_what_boots_is_known_when_the_pool_comes_back(tmp_path: Path) -> None:
    with Simulator(tmp_path, tls=False, boot_seconds=0.05) as sim:
        uuid = sim.add_vm("a", [DiskSpec(MIB, seed=1)], power_state="Halted")
    with Simulator(tmp_path, tls=False, boot_seconds=0.05) as sim:
        xapi = Client(sim)
        xapi.start(xapi.vm(uuid))
        xapi.booted(xapi.vm(uuid))
