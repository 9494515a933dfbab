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


IMMOBILE = ["suspend", "checkpoint", "pool_migrate", "migrate_send"]


def details(xapi: Client, vm: str, operation: str) -> list[str]:
    try:
        xapi("VM.assert_operation_valid", vm, operation)
    except Refused as refused:
        return refused.details
    return []


@pytest.mark.parametrize("operation", ["snapshot", *IMMOBILE])
def test_devices_forbid_what_would_tear_them_away(sim: Simulator, xapi: Client, operation: str) -> None:
    vm = xapi.vm(sim.add_vm("a", [DiskSpec(4096)]))
    assert details(xapi, vm, operation) == []
    moves = operation != "snapshot"
    with sim.editing() as pool:
        usb = pool.db.create("VUSB", {"VM": vm})
    assert details(xapi, vm, operation) == ["VM_HAS_VUSBS", vm]
    with sim.editing() as pool:
        pool.db.create("VGPU", {"VM": vm})
    assert details(xapi, vm, operation) == ["VM_HAS_VGPU" if moves else "VM_HAS_VUSBS", vm]
    with sim.editing() as pool:
        pool.db.set("VM", vm, attached_PCIs=["OpaqueRef:pci"])
    assert details(xapi, vm, operation) == ["VM_HAS_PCI_ATTACHED" if moves else "VM_HAS_VUSBS", vm]
    with sim.editing() as pool:
        pool.db.delete("VUSB", usb)
    assert details(xapi, vm, operation) == (["VM_HAS_PCI_ATTACHED", vm] if moves else [])
    assert (operation in allowed(xapi, vm)) == (not moves)


def test_the_checks_come_in_the_servers_order(sim: Simulator, xapi: Client) -> None:
    """Put every reason against a checkpoint in the way at once, and take them out in the order of the answers."""
    vm = xapi.vm(sim.add_vm("a", [DiskSpec(4096)]))
    metrics, guest = (xapi(f"VM.get_{name}", vm) for name in ("metrics", "guest_metrics"))
    disk = xapi.disks(vm)[0]["ref"]
    (pool_ref,) = sim.records("pool")
    with sim.editing() as pool:
        usb, gpu = pool.db.create("VUSB", {"VM": vm}), pool.db.create("VGPU", {"VM": vm})
        other = pool.db.get("VM_guest_metrics", guest)["other"]
        pool.db.set(
            "VM_guest_metrics", guest, PV_drivers_detected=False, other={**other, "data-cant-suspend-reason": "x"}
        )
        pool.db.set("VM_metrics", metrics, nomigrate=True)
        pool.db.set("VDI", disk, sm_config={"on_boot": "reset"})
        pool.db.set("pool", pool_ref, other_config={"rolling_upgrade_in_progress": "true"})
        pool.db.set(
            "VM",
            vm,
            blocked_operations={"checkpoint": "no"},
            current_operations={"t": "start"},
            power_state="Halted",
            is_a_template=True,
            attached_PCIs=["OpaqueRef:pci"],
        )
    steps: list[tuple[list[str], str, str, dict[str, object] | None]] = [
        (["OPERATION_BLOCKED", vm, "no"], "VM", vm, {"blocked_operations": {}}),
        (["VM_BAD_POWER_STATE", vm, "running, paused, suspended", "halted"], "VM", vm, {"power_state": "Running"}),
        (["OTHER_OPERATION_IN_PROGRESS", "VM", vm, "start", "t"], "VM", vm, {"current_operations": {}}),
        (["VM_IS_TEMPLATE", vm, "checkpoint"], "VM", vm, {"is_a_template": False}),
        (["VM_IS_IMMOBILE", vm], "VM_metrics", metrics, {"nomigrate": False}),
        (["VM_LACKS_FEATURE", vm], "VM_guest_metrics", guest, {"PV_drivers_detected": True}),
        (["VM_NON_SUSPENDABLE", vm, "x"], "VM_guest_metrics", guest, {"other": {}}),
        (["VDI_ON_BOOT_MODE_INCOMPATIBLE_WITH_OPERATION"], "VDI", disk, {"sm_config": {}}),
        (["VM_HAS_PCI_ATTACHED", vm], "VM", vm, {"attached_PCIs": []}),
        (["VM_HAS_VGPU", vm], "VGPU", gpu, None),
        (["VM_HAS_VUSBS", vm], "VUSB", usb, None),
        (["NOT_SUPPORTED_DURING_UPGRADE"], "pool", pool_ref, {"other_config": {}}),
    ]
    for expected, cls, ref, mended in steps:
        assert details(xapi, vm, "checkpoint") == expected
        assert "checkpoint" not in allowed(xapi, vm)
        with sim.editing() as pool:
            if mended is None:
                pool.db.delete(cls, ref)
            else:
                pool.db.set(cls, ref, **mended)
    assert details(xapi, vm, "checkpoint") == []
    assert "checkpoint" in allowed(xapi, vm)


def test_an_upgrade_forbids_snapshots_and_lets_exports_pass(sim: Simulator, xapi: Client) -> None:
    vm = xapi.vm(sim.add_vm("a", power_state="Halted"))
    (pool_ref,) = sim.records("pool")
    xapi("pool.add_to_other_config", pool_ref, "rolling_upgrade_in_progress", "true")
    assert allowed(xapi, vm) & {"snapshot", "metadata_export", "export", "destroy", "clone"} == {
        "export",
        "destroy",
        "clone",
    }
    assert details(xapi, vm, "snapshot") == ["NOT_SUPPORTED_DURING_UPGRADE"]


def test_a_member_of_an_appliance_or_schedule_is_no_template(sim: Simulator, xapi: Client) -> None:
    vm = xapi.vm(sim.add_vm("a", power_state="Halted"))
    with sim.editing() as pool:
        appliance = pool.db.create("VM_appliance", {})
        schedule = pool.db.create("VMSS", {})
        pool.db.set("VM", vm, appliance=appliance, snapshot_schedule=schedule)
    assert details(xapi, vm, "make_into_template") == ["VM_IS_PART_OF_AN_APPLIANCE", vm, appliance]
    xapi("VM.set_appliance", vm, "OpaqueRef:NULL")
    assert details(xapi, vm, "make_into_template") == ["VM_ASSIGNED_TO_SNAPSHOT_SCHEDULE", vm, schedule]


def test_a_control_domain_is_left_alone(sim: Simulator, xapi: Client) -> None:
    (domain,) = [ref for ref, vm in sim.records("VM").items() if vm["is_control_domain"]]
    expected = ["OPERATION_NOT_ALLOWED", "This operation is not allowed on a control domain"]
    assert details(xapi, domain, "clean_shutdown") == expected
    assert details(xapi, domain, "snapshot_with_quiesce") == expected
