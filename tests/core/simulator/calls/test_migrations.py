from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.core.simulator.client import Client, Refused

from vmbackup.simulator import DiskSpec, Simulator

MIB = 1 << 20


@pytest.fixture
def sim(tmp_path: Path) -> Iterator[Simulator]:
    with Simulator(tmp_path / "sim", tls=False, hosts=2) as running:
        yield running


def refused(xapi: Client, method: str, *params: object) -> list[str]:
    with pytest.raises(Refused) as caught:
        xapi(method, *params)
    return caught.value.details


def send(xapi: Client, vm: str, host: str, disks: dict[str, str]) -> str:
    (network, *_) = xapi("network.get_all")
    destination = xapi("host.migrate_receive", host, network, {})
    ref: str = xapi("VM.migrate_send", vm, destination, True, disks, {}, {})  # noqa: FBT003  the wire's own parameter
    return ref


def test_a_vm_moves_to_hosts_that_see_its_disks(tmp_path: Path) -> None:
    with Simulator(tmp_path, tls=False, hosts=2) as sim:
        xapi = Client(sim)
        vm = xapi.vm(sim.add_vm("a", [DiskSpec(4096)]))
        first = xapi("VM.get_resident_on", vm)
        (second,) = [host.ref for host in sim.hosts if host.ref != first]
        xapi("VM.pool_migrate", vm, second, {"live": "true"})
        assert xapi("VM.get_resident_on", vm) == second
        sr = xapi.disks(vm)[0]["SR"]
        with sim.editing() as pool:
            (pbd,) = pool.db.find("PBD", host=first, SR=sr)
            pool.db.set("PBD", pbd, currently_attached=False)
        assert refused(xapi, "VM.pool_migrate", vm, first, {}) == ["VM_REQUIRES_SR", vm, sr]


def test_a_vm_is_sent_to_another_host_with_its_disks(sim: Simulator, xapi: Client) -> None:
    first, second = sim.hosts
    uuid = sim.add_vm("a", [DiskSpec(3 * MIB, seed=1)], sr=sim.add_sr("here", host=first), power_state="Halted")
    vm = xapi.vm(uuid)
    (disk,) = xapi.disks(vm)
    digest = sim.digest(disk["uuid"])
    assert refused(xapi, "VM.start_on", vm, second.ref, False, False) == ["VM_REQUIRES_SR", vm, disk["SR"]]  # noqa: FBT003
    there = xapi("SR.get_by_uuid", sim.add_sr("there", host=second))
    with pytest.raises(Refused, match="VM_REQUIRES_SR"):
        send(xapi, vm, second.ref, {})
    assert send(xapi, vm, second.ref, {disk["ref"]: there}) == vm
    (moved,) = xapi.disks(vm)
    assert (moved["SR"], sim.digest(moved["uuid"]), disk["ref"] in sim.records("VDI")) == (there, digest, False)
    xapi.start(vm)
    assert xapi("VM.get_resident_on", vm) == second.ref


def test_a_running_vm_is_sent_while_it_runs(sim: Simulator, xapi: Client) -> None:
    vm = xapi.vm(sim.add_vm("a", [DiskSpec(3 * MIB, seed=1)]))
    (other,) = [host.ref for host in sim.hosts if host.ref != xapi("VM.get_resident_on", vm)]
    assert send(xapi, vm, other, {}) == vm
    assert (xapi("VM.get_resident_on", vm), xapi("VM.get_power_state", vm)) == (other, "Running")


def test_snapshots_can_be_too_many_to_be_sent(sim: Simulator, xapi: Client) -> None:
    vm = xapi.vm(sim.add_vm("a", [DiskSpec(4096)]))
    host = sim.hosts[1].ref
    snaps = [xapi("VM.snapshot", vm, "s") for _ in range(2)]
    with pytest.raises(Refused) as caught:
        send(xapi, vm, host, {})
    assert caught.value.details == ["VM_HAS_TOO_MANY_SNAPSHOTS", vm]
    for snap in snaps:
        xapi("VM.destroy", snap)
    xapi("VM.checkpoint", vm, "c")
    with pytest.raises(Refused) as caught:
        send(xapi, vm, host, {})
    assert caught.value.details == ["VM_HAS_CHECKPOINT", vm]


@pytest.mark.parametrize("operation", ["pool_migrate", "migrate_send"])
def test_a_blocked_migration_is_refused_until_it_is_unblocked(sim: Simulator, xapi: Client, operation: str) -> None:
    vm = xapi.vm(sim.add_vm("a", [DiskSpec(4096)]))
    (other,) = [host.ref for host in sim.hosts if host.ref != xapi("VM.get_resident_on", vm)]

    def migrate() -> None:
        if operation == "pool_migrate":
            xapi("VM.pool_migrate", vm, other, {})
        else:
            send(xapi, vm, other, {})

    xapi("VM.add_to_blocked_operations", vm, operation, "a backup is running")
    again = refused(xapi, "VM.add_to_blocked_operations", vm, operation, "a backup is running")
    assert again == ["MAP_DUPLICATE_KEY", "VM", "blocked_operations", vm, operation]
    assert operation not in xapi("VM.get_allowed_operations", vm)
    with pytest.raises(Refused) as caught:
        migrate()
    assert caught.value.details == ["OPERATION_BLOCKED", vm, "a backup is running"]
    xapi("VM.remove_from_blocked_operations", vm, operation)
    xapi("VM.remove_from_blocked_operations", vm, operation)
    assert operation in xapi("VM.get_allowed_operations", vm)
    migrate()
    assert xapi("VM.get_resident_on", vm) == other
    assert refused(xapi, "VM.add_to_blocked_operations", vm, "fly", "no")[0] == "INTERNAL_ERROR"
