from pathlib import Path

import pytest
from tests.core.simulator.client import Client, Refused

from vmbackup.simulator import DiskSpec, Simulator

MIB = 1 << 20
NULL = "OpaqueRef:NULL"
PLAIN = (False, False)


def refused(xapi: Client, method: str, *params: object) -> list[str]:
    with pytest.raises(Refused) as caught:
        xapi(method, *params)
    return caught.value.details


@pytest.fixture
def vm(sim: Simulator, xapi: Client) -> str:
    return xapi.vm(sim.add_vm("a", [DiskSpec(MIB, seed=1)], memory=8 * MIB))


def test_a_vm_is_suspended_and_goes_on(sim: Simulator, xapi: Client, vm: str) -> None:
    disks = sim.records("VDI").keys()
    xapi("VM.suspend", vm)
    record = xapi("VM.get_record", vm)
    assert (record["power_state"], record["resident_on"]) == ("Suspended", NULL)
    image = xapi("VDI.get_record", record["suspend_VDI"])
    assert (image["type"], image["virtual_size"], image["VBDs"]) == ("suspend", str(8 * MIB), [])
    assert sim.disk_path(image["uuid"]).exists()
    assert xapi.export(vm)[1]["status"] == "success"
    xapi("VM.resume", vm, *PLAIN)
    assert (xapi("VM.get_power_state", vm), xapi("VM.get_suspend_VDI", vm)) == ("Running", NULL)
    assert sim.records("VDI").keys() == disks


def test_a_hard_shutdown_discards_the_memory(sim: Simulator, xapi: Client, vm: str) -> None:
    disks = sim.records("VDI").keys()
    xapi("VM.suspend", vm)
    xapi("VM.hard_shutdown", vm)
    assert (xapi("VM.get_power_state", vm), xapi("VM.get_suspend_VDI", vm)) == ("Halted", NULL)
    assert sim.records("VDI").keys() == disks


def test_suspending_needs_somewhere_to_put_the_memory(sim: Simulator, xapi: Client, vm: str) -> None:
    with sim.editing() as pool:
        (ref,) = pool.db.table("pool")
        pool.db.set("pool", ref, suspend_image_SR=NULL)
        for host in pool.db.table("host"):
            pool.db.set("host", host, suspend_image_sr=NULL)
    assert refused(xapi, "VM.suspend", vm) == ["VM_NO_SUSPEND_SR", vm]
    assert xapi("VM.get_power_state", vm) == "Running"


def test_pause_unpause_reboot_and_shutdown(xapi: Client, vm: str) -> None:
    host = xapi("VM.get_resident_on", vm)
    xapi("VM.clean_reboot", vm)
    assert (xapi("VM.get_power_state", vm), xapi("VM.get_resident_on", vm)) == ("Running", host)
    xapi("VM.pause", vm)
    assert refused(xapi, "VM.pause", vm) == ["VM_BAD_POWER_STATE", vm, "running", "paused"]
    xapi("VM.unpause", vm)
    xapi("VM.pause", vm)
    xapi("VM.hard_reboot", vm)
    assert xapi("VM.get_power_state", vm) == "Running"
    xapi("VM.shutdown", vm)
    assert xapi("VM.get_power_state", vm) == "Halted"


def test_a_guest_that_cannot_is_shut_down_hard(sim: Simulator, xapi: Client, vm: str) -> None:
    with sim.editing() as pool:
        pool.db.set("VM_guest_metrics", pool.db.get("VM", vm)["guest_metrics"], PV_drivers_detected=False)
    xapi("VM.shutdown", vm)
    assert xapi("VM.get_power_state", vm) == "Halted"


def test_a_vm_starts_on_hosts_that_see_its_disks(tmp_path: Path) -> None:
    with Simulator(tmp_path, tls=False, hosts=2) as sim:
        xapi = Client(sim)
        first, second = sim.hosts
        vm = xapi.vm(sim.add_vm("a", [DiskSpec(4096)], sr=sim.add_sr("local", host=second), power_state="Halted"))
        sr = xapi.disks(vm)[0]["SR"]
        assert refused(xapi, "VM.start_on", vm, first.ref, *PLAIN) == ["VM_REQUIRES_SR", vm, sr]
        xapi("VM.start_on", vm, second.ref, *PLAIN)
        assert xapi("VM.get_resident_on", vm) == second.ref


def test_a_template_is_provisioned(xapi: Client, vm: str) -> None:
    xapi("VM.hard_shutdown", vm)
    assert refused(xapi, "VM.provision", vm) == ["ONLY_PROVISION_TEMPLATE"]
    xapi.set_is_a_template(vm, value=True)
    xapi("VM.provision", vm)
    assert xapi("VM.get_is_a_template", vm) is False
