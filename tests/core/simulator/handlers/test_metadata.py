from xml.etree import ElementTree as ET

from tests.core.simulator.archive import read_archive
from tests.core.simulator.client import Client

from vmbackup.simulator import DiskSpec, Simulator


def test_metadata_is_a_tar_of_known_length_with_nothing_but_the_document(sim: Simulator, xapi: Client) -> None:
    vm = xapi.vm(sim.add_vm("a", [DiskSpec(4096)]))
    snap = xapi("VM.snapshot", vm, "s")
    task = xapi.task()
    reply = xapi.get("/export_metadata", session_id=xapi.session, task_id=task, ref=vm)
    assert reply.status == "HTTP/1.0 200 OK"
    assert int(reply.headers["content-length"]) == len(reply.body)
    assert xapi.wait(task)["status"] == "success"
    archive = read_archive(reply.body)
    assert archive.names == ["ova.xml"]
    by_name = {record["name_label"]: (name, record) for name, record in archive.all("VM").items()}
    assert by_name["a"][1]["power_state"] == "Running"
    assert by_name["s"][1]["snapshot_of"] == by_name["a"][0]
    assert by_name["a"][1]["snapshots"] == [by_name["s"][0]]
    assert by_name["s"][1]["is_a_snapshot"] is True
    alone = xapi.get("/export_metadata", session_id=xapi.session, ref=snap, export_snapshots="false")
    assert read_archive(alone.body).one("VM")["name_label"] == "s"


def test_everything_means_all_but_the_built_in_templates(sim: Simulator, xapi: Client) -> None:
    first = sim.add_vm("a")
    template = xapi.vm(sim.add_vm("t", power_state="Halted"))
    with sim.editing() as pool:
        pool.db.set("VM", template, is_a_template=True, is_default_template=True)
    for dom0, count in (("true", 2), ("false", 1)):
        query = {"session_id": xapi.session, "all": "true", "include_dom0": dom0}
        vms = read_archive(xapi.get("/export_metadata", **query).body).all("VM")
        assert len(vms) == count
        assert first in {record["uuid"] for record in vms.values()}


def test_kinds_of_devices_can_be_left_out(sim: Simulator, xapi: Client) -> None:
    vm = xapi.vm(sim.add_vm("a", [DiskSpec(4096)], vtpm="c2VjcmV0"))
    with sim.editing() as pool:
        pool.db.create("VGPU", {"VM": vm})
    query = {"session_id": xapi.session, "ref": vm}

    def kinds(**more: str) -> set[str]:
        found = {one["class"] for one in read_archive(xapi.get("/export_metadata", **query, **more).body).objects}
        return found & {"VBD", "VDI", "VIF", "network", "VGPU", "VTPM"}

    assert kinds() == {"VBD", "VDI", "VIF", "network", "VGPU", "VTPM"}
    assert kinds(excluded_device_types="vbd,vtpm") == {"VIF", "network", "VGPU"}
    assert kinds(excluded_device_types="vif,vgpu") == {"VBD", "VDI", "VTPM"}
    assert xapi.get("/export_metadata", excluded_device_types="vbd,sound", **query).status.split()[1] == "500"


def test_the_base_copies_under_the_disks_come_when_they_are_asked_for(sim: Simulator, xapi: Client) -> None:
    vm = xapi.vm(sim.add_vm("a", [DiskSpec(4096, snapshots=2)]))
    query = {"session_id": xapi.session, "ref": vm}

    def disks(**more: str) -> list[str]:
        found = read_archive(xapi.get("/export_metadata", **query, **more).body).all("VDI").values()
        return sorted(disk["name_label"] for disk in found)

    assert disks() == ["a 0"]
    assert disks(include_vhd_parents="true") == ["a 0", "base copy", "base copy"]


def test_every_vm_whose_metadata_is_exported_is_held(sim: Simulator, xapi: Client) -> None:
    sim.add_vm("a")
    busy = xapi.vm(sim.add_vm("b"))
    with sim.editing() as pool:
        pool.db.set("VM", busy, current_operations={"OpaqueRef:another": "clean_shutdown"})
    task = xapi.task()
    xapi.get("/export_metadata", session_id=xapi.session, task_id=task, all="true")
    details = ["OTHER_OPERATION_IN_PROGRESS", "VM", busy, "clean_shutdown", "OpaqueRef:another"]
    assert xapi.wait(task)["error_info"] == details
    assert {tuple(one["current_operations"]) for one in sim.records("VM").values()} == {(), ("OpaqueRef:another",)}


def test_flags_must_be_exactly_true_or_false(xapi: Client) -> None:
    reply = xapi.get("/export_metadata", session_id=xapi.session, all="yes")
    assert reply.status.split()[1] == "500"


def test_an_unknown_vm_gets_an_empty_500_and_the_usual_text(xapi: Client) -> None:
    task = xapi.task()
    reply = xapi.get("/export_metadata", session_id=xapi.session, task_id=task, ref="OpaqueRef:gone")
    assert reply.status == "HTTP/1.1 500 internal error"
    assert b"HANDLE_INVALID: [ VM; OpaqueRef:gone ]" in reply.body
    assert xapi.wait(task)["error_info"] == ["HANDLE_INVALID", "VM", "OpaqueRef:gone"]


def test_the_database_comes_as_xml_with_secrets_but_without_sessions(sim: Simulator, xapi: Client) -> None:
    uuid = sim.add_vm("two words & 100%", tags=["x y"])
    reply = xapi.get("/pool/xmldbdump", session_id=xapi.session)
    assert (reply.status, "content-length" in reply.headers) == ("HTTP/1.1 200 OK", False)
    (secret,) = sim.records("secret").values()
    assert secret["value"].encode() in reply.body
    root = ET.fromstring(reply.body)  # noqa: S314  our own simulator wrote it
    tables = {table.get("name"): list(table) for table in root.iterfind("table")}
    assert not tables.keys() & {"session", "task"}
    assert {pair.get("key") for pair in root.iterfind("manifest/pair")} >= {"schema_major_vsn", "generation_count"}
    (row,) = [row for row in tables["VM"] if row.get("uuid") == uuid]
    assert row.get("name__label") == "two%.words%.&%.100%%"
    assert row.get("tags") == "('x%.y')"
    assert row.get("is_a_snapshot") == "false"
    assert row.get("memory__static_max") == str(1 << 30)
    assert xapi.session.encode() not in reply.body


def test_the_dump_needs_a_session(xapi: Client) -> None:
    assert xapi.get("/pool/xmldbdump").status.split()[1] == "401"
