import pytest
from tests.core.simulator.client import Client, Refused

from vmbackup.simulator import DiskSpec, Simulator

HALTED = {
    *("changing_NVRAM", "changing_dynamic_range", "changing_static_range", "changing_shadow_memory"),
    *("make_into_template", "migrate_send", "destroy", "export", "metadata_export", "start", "start_on"),
    *("clone", "copy", "snapshot", "create_vtpm"),
}
RUNNING = {
    *("snapshot", "checkpoint", "pause", "clean_shutdown", "clean_reboot", "hard_shutdown", "hard_reboot", "suspend"),
    *("pool_migrate", "migrate_send", "changing_dynamic_range", "changing_VCPUs_live", "metadata_export"),
}
WITHOUT_TOOLS = RUNNING - {
    *("clean_shutdown", "clean_reboot", "suspend", "checkpoint", "pool_migrate", "migrate_send", "changing_VCPUs_live"),
}
PAUSED = {"snapshot", "checkpoint", "unpause", "hard_shutdown", "hard_reboot", "metadata_export"}
SUSPENDED = {
    *("snapshot", "checkpoint", "export", "metadata_export", "destroy", "resume", "resume_on", "hard_shutdown"),
    "migrate_send",
}
TEMPLATE = {
    *("changing_NVRAM", "changing_dynamic_range", "changing_static_range", "changing_shadow_memory"),
    *("clone", "copy", "export", "metadata_export", "provision", "destroy", "migrate_send"),
}
SNAPSHOT = {"revert", "clone", "copy", "export", "metadata_export", "destroy"}


def allowed(xapi: Client, vm: str) -> set[str]:
    operations = xapi("VM.get_allowed_operations", vm)
    assert len(set(operations)) == len(operations)
    return set(operations)


@pytest.mark.parametrize(
    ("state", "expected"),
    [("Halted", HALTED), ("Running", RUNNING), ("Paused", PAUSED), ("Suspended", SUSPENDED)],
)
def test_an_ordinary_vm_may_do_what_its_power_state_lets_it(
    sim: Simulator, xapi: Client, state: str, expected: set[str]
) -> None:
    vm = xapi.vm(sim.add_vm("a", [DiskSpec(4096)], power_state=state))
    assert allowed(xapi, vm) == expected


def test_a_guest_without_tools_may_do_less(sim: Simulator, xapi: Client) -> None:
    vm = xapi.vm(sim.add_vm("a"))
    with sim.editing() as pool:
        pool.db.set("VM_guest_metrics", pool.db.get("VM", vm)["guest_metrics"], PV_drivers_detected=False)
    assert allowed(xapi, vm) == WITHOUT_TOOLS
    with pytest.raises(Refused) as caught:
        xapi("VM.clean_shutdown", vm)
    assert caught.value.details == ["VM_LACKS_FEATURE", vm]


def test_templates_and_snapshots_have_lists_of_their_own(sim: Simulator, xapi: Client) -> None:
    vm = xapi.vm(sim.add_vm("a", power_state="Halted"))
    snap = xapi("VM.snapshot", vm, "s")
    assert allowed(xapi, snap) == SNAPSHOT
    xapi.set_is_a_template(vm, value=True)
    assert allowed(xapi, vm) == TEMPLATE
    with sim.editing() as pool:
        pool.db.set("VM", vm, is_default_template=True)
    assert allowed(xapi, vm) == TEMPLATE - {"destroy", "migrate_send"}


def test_the_list_has_the_reverse_order_of_the_enumeration(sim: Simulator, xapi: Client) -> None:
    vm = xapi.vm(sim.add_vm("a", power_state="Paused"))
    expected = ["metadata_export", "hard_reboot", "hard_shutdown", "unpause", "checkpoint", "snapshot"]
    assert xapi("VM.get_allowed_operations", vm) == expected


@pytest.mark.parametrize(
    ("running", "expected"),
    [
        ({"t1": "export"}, {"clone", "copy", "export"}),
        ({"t1": "export", "t2": "clone"}, {"clone", "copy", "export"}),
        ({"t1": "metadata_export"}, set()),
    ],
)
def test_what_runs_excludes_the_rest(sim: Simulator, xapi: Client, running: dict[str, str], expected: set[str]) -> None:
    snap = xapi("VM.snapshot", xapi.vm(sim.add_vm("a")), "s")
    with sim.editing() as pool:
        pool.db.set("VM", snap, current_operations=running)
    assert allowed(xapi, snap) == expected
    with pytest.raises(Refused) as caught:
        xapi("VM.destroy", snap)
    names, tasks = list(running.values()), list(running)
    shown = [names[0], tasks[0]] if len(names) == 1 else [f"{{{','.join(names)}}}", f"{{{','.join(tasks)}}}"]
    assert caught.value.details == ["OTHER_OPERATION_IN_PROGRESS", "VM", snap, *shown]


@pytest.mark.parametrize(
    ("operation", "details"),
    [
        ("provision", ["ONLY_PROVISION_TEMPLATE"]),
        ("revert", ["ONLY_REVERT_SNAPSHOT"]),
    ],
)
def test_what_is_only_for_others_is_refused(sim: Simulator, xapi: Client, operation: str, details: list[str]) -> None:
    vm = xapi.vm(sim.add_vm("a", power_state="Halted"))
    with pytest.raises(Refused) as caught:
        xapi("VM.assert_operation_valid", vm, operation)
    assert caught.value.details == details


def test_a_disk_that_is_reset_at_boot_cannot_be_snapshotted(sim: Simulator, xapi: Client) -> None:
    vm = xapi.vm(sim.add_vm("a", [DiskSpec(4096)]))
    xapi("VDI.set_sm_config", xapi.disks(vm)[0]["ref"], {"on_boot": "reset"})
    with pytest.raises(Refused) as caught:
        xapi("VM.snapshot", vm, "s")
    assert caught.value.details == ["VDI_ON_BOOT_MODE_INCOMPATIBLE_WITH_OPERATION"]
    assert "snapshot" not in allowed(xapi, vm)
