"""What a test reads of what clients asked for, and of where VMs were plugged in."""

from tests.core.simulator.client import Client

from vmbackup.simulator import Asked, DiskSpec, Plugged, Simulator


def test_calls_and_requests_stand_in_their_order_without_secrets(sim: Simulator, xapi: Client) -> None:
    vm = xapi.vm(sim.add_vm("a", [DiskSpec(4096)], power_state="Halted"))
    task = xapi("Async.VM.snapshot", vm, "s")
    xapi.wait(task)
    xapi.get("/export", session_id=xapi.session, ref=vm)
    asked = [one for one in sim.log.asked if not one.what.startswith("task.")]
    assert [one.what for one in asked] == [
        "session.login_with_password",
        "VM.get_by_uuid",
        "VM.snapshot",
        "GET /export",
    ]
    assert asked[0].params == ()
    assert asked[2].params == (vm, "s", [])
    assert asked[3].params == ({"ref": vm},)
    assert xapi.session not in repr(sim.log.asked)


def test_a_vm_is_followed_from_network_to_network_among_the_calls(sim: Simulator, xapi: Client) -> None:
    uuid = sim.add_vm("a", [DiskSpec(4096, seed=1)], power_state="Halted")
    vm = xapi.vm(uuid)
    (vif,) = xapi("VM.get_VIFs", vm)
    mac = xapi("VIF.get_MAC", vif)
    alone, wired = sim.add_network("nowhere"), sim.add_network("storage", "eth2")
    before = len(sim.log.entries)
    xapi("VIF.move", vif, xapi("network.get_by_uuid", alone))
    xapi.start(vm)
    xapi("VIF.move", vif, xapi("network.get_by_uuid", wired))
    xapi("VM.hard_shutdown", vm)
    lately = [one for one in sim.log.entries[before:] if not (isinstance(one, Asked) and "get_" in one.what)]
    assert [one if isinstance(one, Plugged) else one.what for one in lately] == [
        "VIF.move",
        "VM.start",
        Plugged(uuid, mac, alone),
        "VIF.move",
        Plugged(uuid, mac, wired),
        "VM.hard_shutdown",
        Plugged(uuid, mac, None),
    ]
    assert sim.log.networks_of(uuid) == (alone, wired)


def test_an_interface_that_goes_with_its_vm_and_those_of_snapshots_are_told_rightly(
    sim: Simulator, xapi: Client
) -> None:
    uuid = sim.add_vm("a", [DiskSpec(4096, seed=1)], memory=1 << 20)
    assert len(sim.log.networks_of(uuid)) == 1
    vm = xapi.vm(uuid)
    checkpoint = xapi("VM.checkpoint", vm, "c")
    assert sim.log.networks_of(xapi("VM.get_uuid", checkpoint)) == ()
    with sim.editing() as pool:
        pool.db.delete("VIF", xapi("VM.get_VIFs", vm)[0])
    assert isinstance(sim.log.entries[-1], Plugged)
    assert sim.log.entries[-1].network is None
