from pathlib import Path

import pytest
from tests.core.simulator.client import Client, Refused

from vmbackup.simulator import DiskSpec, Simulator

MIB, GIB = 1 << 20, 1 << 30
PLAIN = (False, False)  # neither paused nor forced


def refused(xapi: Client, method: str, *params: object) -> list[str]:
    with pytest.raises(Refused) as caught:
        xapi(method, *params)
    return caught.value.details


def halted(sim: Simulator, xapi: Client, name: str, memory: int = GIB, sr: str = "") -> str:
    return xapi.vm(sim.add_vm(name, [DiskSpec(4096)], memory=memory, sr=sr, power_state="Halted"))


def free(xapi: Client, host: str) -> int:
    told = int(xapi("host.compute_free_memory", host))
    assert int(xapi("host_metrics.get_memory_free", xapi("host.get_metrics", host))) == told
    return told


def test_a_vm_takes_memory_of_its_host_while_it_runs(sim: Simulator, xapi: Client) -> None:
    host = sim.coordinator.ref
    total = int(xapi("host_metrics.get_memory_total", xapi("host.get_metrics", host)))
    before = free(xapi, host)
    assert total - 5 * GIB < before < total - 4 * GIB, "the control domain takes 4 GiB"
    vm = halted(sim, xapi, "a")
    assert free(xapi, host) == before
    overhead = int(xapi("VM.compute_memory_overhead", vm))
    assert (overhead, int(xapi("VM.get_memory_overhead", vm))) == (11 * MIB, 11 * MIB)
    xapi.start(vm)
    assert free(xapi, host) == before - GIB - overhead
    xapi("VM.pause", vm)
    assert free(xapi, host) == before - GIB - overhead
    xapi("VM.hard_shutdown", vm)
    assert free(xapi, host) == before
    assert int(xapi("host.compute_memory_overhead", host)) == 0


def test_a_vm_that_does_not_fit_does_not_start(sim: Simulator, xapi: Client) -> None:
    host, vm = sim.coordinator.ref, halted(sim, xapi, "a")
    sim.leave_memory(sim.coordinator, GIB)
    assert free(xapi, host) == GIB
    error = ["HOST_NOT_ENOUGH_FREE_MEMORY", str(GIB + 11 * MIB), str(GIB)]
    assert refused(xapi, "VM.start", vm, *PLAIN) == error
    assert refused(xapi, "VM.start_on", vm, host, *PLAIN) == error
    assert refused(xapi, "VM.assert_can_boot_here", vm, host) == error
    assert xapi("VM.get_possible_hosts", vm) == []
    assert xapi("VM.get_power_state", vm) == "Halted"
    assert not any(xapi("VBD.get_currently_attached", vbd) for vbd in xapi("VM.get_VBDs", vm))
    sim.leave_memory(sim.coordinator, GIB + 11 * MIB)
    assert xapi("VM.get_possible_hosts", vm) == [host]
    xapi("VM.assert_can_boot_here", vm, host)
    xapi.start(vm)
    assert free(xapi, host) == 0


def test_a_vm_starts_where_there_is_room_and_where_its_storage_is_seen(tmp_path: Path) -> None:
    with Simulator(tmp_path, tls=False, hosts=2) as sim:
        xapi = Client(sim)
        first, second = sim.hosts
        sim.leave_memory(first, 0)
        vm = halted(sim, xapi, "a")
        assert xapi("VM.get_possible_hosts", vm) == [second.ref]
        xapi.start(vm)
        assert xapi("VM.get_resident_on", vm) == second.ref
        local = halted(sim, xapi, "b", sr=sim.add_sr("local", host=first))
        sr = xapi.disks(local)[0]["SR"]
        assert refused(xapi, "VM.assert_can_boot_here", local, second.ref) == ["VM_REQUIRES_SR", local, sr]
        assert refused(xapi, "VM.start", local, *PLAIN)[0] == "HOST_NOT_ENOUGH_FREE_MEMORY"
        with sim.editing() as pool:
            pool.db.set("host", first.ref, enabled=False)
        assert refused(xapi, "VM.assert_can_boot_here", local, first.ref) == ["HOST_DISABLED", first.ref]
        assert refused(xapi, "VM.start", local, *PLAIN) == ["NO_HOSTS_AVAILABLE"]
        assert refused(xapi, "VM.assert_can_boot_here", local, "OpaqueRef:no")[0] == "HANDLE_INVALID"


def test_vms_on_a_network_that_leads_nowhere_run_on_one_host(tmp_path: Path) -> None:
    with Simulator(tmp_path, tls=False, hosts=2) as sim:
        xapi = Client(sim)
        first, second = sim.hosts
        network = xapi("network.get_by_uuid", sim.add_network("nowhere"))
        one, other = (halted(sim, xapi, name) for name in ("one", "other"))
        for vm in (one, other):
            xapi("VIF.move", xapi("VM.get_VIFs", vm)[0], network)
        xapi("VM.start_on", one, second.ref, *PLAIN)
        needs = ["VM_REQUIRES_NETWORK", other, network]
        assert refused(xapi, "VM.start_on", other, first.ref, *PLAIN) == needs
        assert xapi("VM.get_possible_hosts", other) == [second.ref]
        xapi.start(other)
        assert xapi("VM.get_resident_on", other) == second.ref
