"""What tests can put into the pool, as a client then finds it."""

import pytest
from tests.core.simulator.archive import read_archive
from tests.core.simulator.client import Client, Refused

from vmbackup.simulator import DiskSpec, Simulator

MIB = 1 << 20


def refused(xapi: Client, method: str, *params: object) -> list[str]:
    with pytest.raises(Refused) as caught:
        xapi(method, *params)
    return caught.value.details


def test_a_disk_is_recorded_as_it_is_described(sim: Simulator, xapi: Client) -> None:
    spec = DiskSpec(
        MIB, sharable=True, sm_config={"vdi_type": "vhd"}, other_config={"NOBAK": "1"}, tags=["scratch"], name="swap"
    )
    (disk,) = xapi.disks(xapi.vm(sim.add_vm("a", [spec])))
    assert (disk["name_label"], disk["sharable"], disk["tags"]) == ("swap", True, ["scratch"])
    assert (disk["sm_config"], disk["other_config"], disk["on_boot"]) == (
        {"vdi_type": "vhd"},
        {"NOBAK": "1"},
        "persist",
    )


def test_a_disk_that_is_reset_at_boot_forbids_snapshots_of_its_vm(sim: Simulator, xapi: Client) -> None:
    vm = xapi.vm(sim.add_vm("a", [DiskSpec(MIB, on_boot="reset", sm_config={"vdi_type": "vhd"})]))
    (disk,) = xapi.disks(vm)
    assert (disk["on_boot"], disk["sm_config"]) == ("reset", {"vdi_type": "vhd", "on_boot": "reset"})
    assert refused(xapi, "VM.snapshot", vm, "s") == ["VDI_ON_BOOT_MODE_INCOMPATIBLE_WITH_OPERATION"]


def test_a_disk_with_snapshots_has_the_chain_that_they_left(sim: Simulator, xapi: Client) -> None:
    vm = xapi.vm(sim.add_vm("a", [DiskSpec(4096, snapshots=28)]))
    (disk,) = xapi.disks(vm)
    assert len(disk["snapshots"]) == 28
    depth, parent = 1, disk["sm_config"].get("vhd-parent")
    while parent:
        depth, parent = depth + 1, xapi("VDI.get_sm_config", xapi("VDI.get_by_uuid", parent)).get("vhd-parent")
    assert depth == 29
    assert sim.coalesce() == 0
    xapi("VM.snapshot", vm, "the last one")
    too_long = ["SR_BACKEND_FAILURE_109", "", "The snapshot chain is too long", ""]
    assert refused(xapi, "VM.snapshot", vm, "one too many") == too_long


def test_physical_disks_lie_where_nothing_can_be_snapshotted(sim: Simulator, xapi: Client) -> None:
    sr = sim.add_sr("LUNs", type="udev")
    vm = xapi.vm(sim.add_vm("a", [DiskSpec(MIB), DiskSpec(MIB, sr=sr)]))
    first, second = xapi.disks(vm)
    assert (xapi("SR.get_content_type", second["SR"]), first["SR"] != second["SR"]) == ("disk", True)
    assert "snapshot" not in xapi("VDI.get_allowed_operations", second["ref"])
    before = sim.records("VDI").keys()
    assert refused(xapi, "VM.snapshot", vm, "s") == ["SR_OPERATION_NOT_SUPPORTED", second["SR"]]
    assert sim.records("VDI").keys() == before
    assert xapi("VM.snapshot", vm, "s", [second["ref"]])


def test_a_repository_has_as_much_room_as_it_is_left(sim: Simulator, xapi: Client) -> None:
    full = ["SR_BACKEND_FAILURE_44", "", "There is insufficient space", ""]
    thick, thin = sim.add_sr("LUN", type="lvmoiscsi", size=1 << 30), sim.add_sr("files", type="ext", size=1 << 30)
    vms = {sr: xapi.vm(sim.add_vm("a", [DiskSpec(64 * MIB, seed=1)], sr=sr)) for sr in (thick, thin)}
    for sr, vm in vms.items():
        sim.leave_free(sr, 16 * MIB)
        record = xapi("SR.get_record", xapi("SR.get_by_uuid", sr))
        assert int(record["physical_size"]) - int(record["physical_utilisation"]) == 16 * MIB
        if sr == thick:
            assert refused(xapi, "VM.snapshot", vm, "s") == full
        else:
            assert xapi("VM.snapshot", vm, "s")


def test_a_disc_is_in_a_drive_and_its_repository_counts(sim: Simulator, xapi: Client) -> None:
    discs = sim.add_sr("discs", type="iso")
    vm = xapi.vm(sim.add_vm("a", [DiskSpec(MIB)], iso=sim.add_iso("debian.iso", discs)))
    (drive,) = [one for vbd in xapi("VM.get_VBDs", vm) if (one := xapi("VBD.get_record", vbd))["type"] == "CD"]
    disc = xapi("VDI.get_record", drive["VDI"])
    assert (drive["empty"], disc["name_label"], disc["location"]) == (False, "debian.iso", "debian.iso")
    (pbd,) = xapi("SR.get_PBDs", disc["SR"])
    assert xapi("SR.get_content_type", disc["SR"]) == "iso"
    with sim.editing() as pool:
        pool.db.set("PBD", pbd, currently_attached=False)
    assert refused(xapi, "VM.snapshot", vm, "s") == ["NO_HOSTS_AVAILABLE"]


def test_a_usb_device_forbids_snapshots(sim: Simulator, xapi: Client) -> None:
    vm = xapi.vm(sim.add_vm("a", usb=True))
    assert len(xapi("VM.get_VUSBs", vm)) == 1
    assert refused(xapi, "VM.snapshot", vm, "s") == ["VM_HAS_VUSBS", vm]


def test_uefi_variables_travel_with_snapshots_and_archives(sim: Simulator, xapi: Client) -> None:
    variables = {"EFI-variables": "c2VjcmV0"}
    vm = xapi.vm(sim.add_vm("a", nvram=variables))
    snap = xapi("VM.snapshot", vm, "s")
    assert xapi("VM.get_HVM_boot_params", vm)["firmware"] == "uefi"
    assert xapi("VM.get_NVRAM", snap) == variables
    assert read_archive(xapi.export(snap)[0].body).one("VM")["NVRAM"] == variables


def test_a_suspended_vm_has_its_memory_on_storage_and_can_go_on(sim: Simulator, xapi: Client) -> None:
    vm = xapi.vm(sim.add_vm("a", [DiskSpec(MIB)], power_state="Suspended", memory=64 * MIB))
    image = xapi("VDI.get_record", xapi("VM.get_suspend_VDI", vm))
    assert (image["type"], image["virtual_size"], image["VBDs"]) == ("suspend", str(64 * MIB), [])
    not_paused = not_forced = False
    xapi("VM.resume", vm, not_paused, not_forced)
    assert xapi("VM.get_power_state", vm) == "Running"


@pytest.mark.parametrize("state", ["Halted", "Suspended"])
def test_a_vm_that_does_not_run_is_exported_without_a_snapshot(sim: Simulator, xapi: Client, state: str) -> None:
    vm = xapi.vm(sim.add_vm("a", [DiskSpec(3 * MIB, seed=1)], power_state=state))
    (disk,) = xapi.disks(vm)
    reply, task = xapi.export(vm)
    assert (reply.status, task["status"]) == ("HTTP/1.0 200 OK", "success")
    archive = read_archive(reply.body)
    record = archive.one("VM")
    assert (record["power_state"], record["is_a_template"], record["suspend_VDI"]) == (
        "Halted",
        False,
        "OpaqueRef:NULL",
    )
    (folder,) = archive.chunks
    assert archive.disk(folder, 3 * MIB) == sim.disk_path(disk["uuid"]).read_bytes()


@pytest.mark.parametrize("state", ["Running", "Paused"])
def test_a_vm_that_runs_is_not_exported(sim: Simulator, xapi: Client, state: str) -> None:
    vm = xapi.vm(sim.add_vm("a", [DiskSpec(MIB)], power_state=state))
    reply, task = xapi.export(vm)
    assert "500" in reply.status
    assert task["error_info"] == ["VM_BAD_POWER_STATE", vm, "halted, suspended", state.lower()]
