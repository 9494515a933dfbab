import pytest
from tests.core.simulator.client import Client, Refused

from vmbackup.simulator import DiskSpec, Simulator

MIB = 1 << 20


def refused(xapi: Client, method: str, *params: object) -> list[str]:
    with pytest.raises(Refused) as caught:
        xapi(method, *params)
    return caught.value.details


def record(xapi: Client, size: int = MIB) -> dict[str, object]:
    sr = xapi("pool.get_default_SR", xapi("pool.get_all")[0])
    return {"SR": sr, "virtual_size": size, "type": "user", "sharable": False, "read_only": False, "other_config": {}}


def drive(vm: str, vdi: str, **more: object) -> dict[str, object]:
    plain = {"VM": vm, "VDI": vdi, "userdevice": "autodetect", "bootable": False, "mode": "RW", "type": "Disk"}
    return {**plain, "empty": False, "other_config": {}, "qos_algorithm_type": "", "qos_algorithm_params": {}, **more}


def test_a_disk_is_made_and_destroyed(sim: Simulator, xapi: Client) -> None:
    vdi = xapi("VDI.create", {**record(xapi), "name_label": "new"})
    made = xapi("VDI.get_record", vdi)
    assert (made["name_label"], made["virtual_size"], made["managed"]) == ("new", str(MIB), True)
    assert sim.disk_path(made["uuid"]).stat().st_size == MIB
    assert vdi in xapi("SR.get_VDIs", made["SR"])
    xapi("VDI.destroy", vdi)
    assert vdi not in xapi("SR.get_VDIs", made["SR"])
    assert refused(xapi, "VDI.destroy", vdi) == ["HANDLE_INVALID", "VDI", vdi]


def test_a_constructor_wants_its_mandatory_members(xapi: Client) -> None:
    given = record(xapi)
    del given["sharable"]
    expected = ["INTERNAL_ERROR", 'Server_helpers.Dispatcher_FieldNotFound("sharable")']
    assert refused(xapi, "VDI.create", given) == expected


def test_an_attached_disk_cannot_be_destroyed(sim: Simulator, xapi: Client) -> None:
    vm = xapi.vm(sim.add_vm("a", [DiskSpec(MIB)]))
    vdi = xapi.disks(vm)[0]["ref"]
    assert refused(xapi, "VDI.destroy", vdi) == ["VDI_IN_USE", vdi, "destroy"]
    assert "destroy" not in xapi("VDI.get_allowed_operations", vdi)
    xapi("VM.hard_shutdown", vm)
    assert "destroy" in xapi("VDI.get_allowed_operations", vdi)
    xapi("VDI.destroy", vdi)
    assert [xapi("VBD.get_type", vbd) for vbd in xapi("VM.get_VBDs", vm)] == ["CD"]


def test_a_snapshot_of_an_attached_disk_stands_alone(sim: Simulator, xapi: Client) -> None:
    vdi = xapi.disks(xapi.vm(sim.add_vm("a", [DiskSpec(MIB, seed=1)])))[0]["ref"]
    snap = xapi("VDI.snapshot", vdi)
    made = xapi("VDI.get_record", snap)
    assert (made["is_a_snapshot"], made["snapshot_of"], made["VBDs"]) == (True, vdi, [])
    assert sim.digest(made["uuid"]) != sim.digest(xapi("VDI.get_uuid", vdi))


def test_what_a_snapshot_held_is_known_after_it_is_gone(sim: Simulator, xapi: Client) -> None:
    vdi = xapi("VDI.create", record(xapi, 3 * MIB + 512))
    snap = xapi("VDI.snapshot", vdi)
    uuid = xapi("VDI.get_uuid", snap)
    xapi("VDI.destroy", snap)
    assert sim.digest(uuid) == sim.digest(xapi("VDI.get_uuid", vdi))


def test_an_iso_is_never_snapshotted(sim: Simulator, xapi: Client) -> None:
    (iso,) = [ref for ref, disk in sim.records("VDI").items() if disk["is_tools_iso"]]
    assert refused(xapi, "VDI.snapshot", iso) == ["SR_OPERATION_NOT_SUPPORTED", xapi("VDI.get_SR", iso)]


def test_drives_are_made_plugged_and_destroyed(sim: Simulator, xapi: Client) -> None:
    vm = xapi.vm(sim.add_vm("a", [DiskSpec(MIB)]))
    vdi = xapi("VDI.create", record(xapi))
    vbd = xapi("VBD.create", drive(vm, vdi))
    assert (xapi("VBD.get_userdevice", vbd), xapi("VBD.get_currently_attached", vbd)) == ("1", False)
    xapi("VBD.plug", vbd)
    assert refused(xapi, "VBD.plug", vbd) == ["DEVICE_ALREADY_ATTACHED", vbd]
    uuids = xapi("VBD.get_uuid", vbd), xapi("VM.get_uuid", vm)
    text = f"VBD '{uuids[0]}' still attached to '{uuids[1]}'"
    assert refused(xapi, "VBD.destroy", vbd) == ["OPERATION_NOT_ALLOWED", text]
    xapi("VBD.unplug", vbd)
    assert refused(xapi, "VBD.unplug", vbd) == ["DEVICE_ALREADY_DETACHED", vbd]
    xapi("VBD.destroy", vbd)
    assert xapi("VDI.get_VBDs", vdi) == []


def test_a_drive_is_refused_for_what_does_not_fit(sim: Simulator, xapi: Client) -> None:
    vm = xapi.vm(sim.add_vm("a", [DiskSpec(MIB)]))
    vdi = xapi.disks(vm)[0]["ref"]
    assert refused(xapi, "VBD.create", drive(vm, vdi, userdevice="0")) == ["DEVICE_ALREADY_EXISTS", "0"]
    assert refused(xapi, "VBD.create", drive(vm, vdi, type="CD")) == ["VBD_CDS_MUST_BE_READONLY"]
    other = xapi.vm(sim.add_vm("b"))
    vbd = xapi("VBD.create", drive(other, vdi))
    assert refused(xapi, "VBD.plug", vbd) == ["VDI_IN_USE", vdi]


def test_a_scan_counts_what_the_disks_take(sim: Simulator, xapi: Client) -> None:
    vm = xapi.vm(sim.add_vm("a", [DiskSpec(4 * MIB, seed=1, fill=1.0)]))
    disk = xapi.disks(vm)[0]
    xapi("SR.scan", disk["SR"])
    assert int(xapi("VDI.get_physical_utilisation", disk["ref"])) >= 4 * MIB
    (pbd,) = xapi("SR.get_PBDs", disk["SR"])
    with sim.editing() as pool:
        pool.db.set("PBD", pbd, currently_attached=False)
    assert refused(xapi, "SR.scan", disk["SR"]) == ["SR_HAS_NO_PBDS", disk["SR"]]
