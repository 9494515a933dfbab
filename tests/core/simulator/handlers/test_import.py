import gzip
import io
import re
import tarfile
import time
from functools import partial
from pathlib import Path
from threading import Thread

import pytest
import zstandard
from tests.core.simulator.archive import read_archive
from tests.core.simulator.client import Client

from vmbackup.simulator import BodyHook, Cut, DiskSpec, ErrorInBody, Simulator, Stall, TaskFails
from vmbackup.simulator.profiles import Checksum

MIB = 1 << 20
SIZES = (3 * MIB + 512, 2 * MIB)


@pytest.fixture
def vm(sim: Simulator, xapi: Client) -> str:
    disks = [DiskSpec(size, seed=number, fill=0.5) for number, size in enumerate(SIZES)]
    uuid = sim.add_vm("web", disks, tags=["PROD"], power_state="Halted", other_config={"vmbackup:owner": "x/y"})
    return xapi.vm(uuid)


@pytest.fixture
def image(xapi: Client, vm: str) -> bytes:
    return xapi.export(vm)[0].body


def upload(xapi: Client, data: bytes, expected: str = "200", **query: str) -> dict[str, object]:
    task = xapi.task()
    reply = xapi.put("/import", data, session_id=xapi.session, task_id=task, **query)
    assert reply.status.split()[1:2] in ([expected], [])
    return xapi.wait(task)


def made(task: dict[str, object]) -> str:
    assert (task["status"], task["error_info"]) == ("success", [])
    (ref,) = re.findall(
        r"^<value><array><data><value>(OpaqueRef:[-\w]+)</value></data></array></value>$", str(task["result"])
    )
    return str(ref)


def members(data: bytes) -> list[tuple[tarfile.TarInfo, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as tar:
        return [(member, (tar.extractfile(member) or io.BytesIO()).read()) for member in tar]


def packed(parts: list[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for member, content in parts:
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return out.getvalue()


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.ZstdCompressor().compress])
def test_what_was_exported_is_imported_with_the_same_disks(
    sim: Simulator, xapi: Client, vm: str, image: bytes, pack: type[bytes]
) -> None:
    new = made(upload(xapi, pack(image)))
    assert [sim.digest(disk["uuid"]) for disk in xapi.disks(new)] == [
        sim.digest(disk["uuid"]) for disk in xapi.disks(vm)
    ]
    old_record, record = xapi("VM.get_record", vm), xapi("VM.get_record", new)
    assert record["uuid"] != old_record["uuid"]
    assert (record["name_label"], record["tags"], record["power_state"]) == ("web", ["PROD"], "Halted")
    assert record["other_config"]["vmbackup:owner"] == "x/y"
    assert record["other_config"]["mac_seed"] != old_record["other_config"]["mac_seed"]
    assert record["current_operations"] == {}
    macs = {xapi("VIF.get_MAC", vif) for vif in [*record["VIFs"], *old_record["VIFs"]]}
    networks = {xapi("VIF.get_network", vif) for vif in [*record["VIFs"], *old_record["VIFs"]]}
    assert (len(macs), len(networks)) == (2, 1)
    assert [xapi("VBD.get_empty", vbd) for vbd in record["VBDs"]] == [False, False, True]
    assert not any(disk["is_a_snapshot"] for disk in xapi.disks(new))
    xapi.start(new)


def test_a_full_restore_keeps_uuid_and_macs_and_takes_the_place_of_a_halted_vm(
    sim: Simulator, xapi: Client, vm: str, image: bytes
) -> None:
    old = xapi("VM.get_record", vm)
    macs = [xapi("VIF.get_MAC", vif) for vif in old["VIFs"]]
    disks = xapi.disks(vm)
    new = made(upload(xapi, image, restore="true"))
    record = xapi("VM.get_record", new)
    assert (record["uuid"], [xapi("VIF.get_MAC", vif) for vif in record["VIFs"]]) == (old["uuid"], macs)
    assert {**record["other_config"], "import_task": ""} == {**old["other_config"], "import_task": ""}
    assert vm not in sim.records("VM")
    assert {disk["ref"] for disk in disks} <= sim.records("VDI").keys()
    xapi.start(new)
    refused = upload(xapi, image, restore="true")
    assert refused["error_info"] == ["VM_BAD_POWER_STATE", new, "halted", "running"]


def test_a_full_restore_beside_a_vm_of_the_same_seed_is_refused(xapi: Client, vm: str, image: bytes) -> None:
    seed = xapi("VM.get_other_config", vm)["mac_seed"]
    twin = made(upload(xapi, image))
    xapi("VM.destroy", vm)
    xapi("VM.remove_from_other_config", twin, "mac_seed")
    xapi("VM.add_to_other_config", twin, "mac_seed", seed)
    assert upload(xapi, image, restore="true")["error_info"] == ["DUPLICATE_MAC_SEED", seed]


def test_a_disc_is_found_by_its_name_or_left_out(sim: Simulator, xapi: Client) -> None:
    iso = sim.add_iso("debian.iso", sim.add_sr("discs", type="iso"))
    image = xapi.export(xapi.vm(sim.add_vm("a", iso=iso, power_state="Halted")))[0].body

    def disc() -> str:
        (vbd,) = xapi("VM.get_VBDs", made(upload(xapi, image)))
        return str(xapi("VBD.get_VDI", vbd))

    ref = xapi("VDI.get_by_uuid", iso)
    assert disc() == ref
    with sim.editing() as pool:
        pool.db.set("VDI", ref, name_label="another.iso", location="another.iso")
    assert disc() == "OpaqueRef:NULL"


def test_a_snapshot_becomes_a_template_unless_it_was_unmarked(xapi: Client, vm: str) -> None:
    snap = xapi("VM.snapshot", vm, "s")
    template = made(upload(xapi, xapi.export(snap)[0].body))
    assert (xapi("VM.get_is_a_template", template), xapi("VM.get_is_a_snapshot", template)) == (True, False)
    xapi.set_is_a_template(snap, value=False)
    assert xapi("VM.get_is_a_template", made(upload(xapi, xapi.export(snap)[0].body))) is False


def test_keepalives_do_not_shift_the_disk(tmp_path_factory: pytest.TempPathFactory) -> None:
    checksum: Checksum = "sha1"
    folder = tmp_path_factory.mktemp("old")
    with Simulator(folder, tls=False, checksum=checksum, keepalive_blocks=frozenset({1, 2, 3}), first_ref=0) as sim:
        xapi = Client(sim)
        disks = [DiskSpec(6 * MIB + 512, seed=5, fill=0.3), DiskSpec(5 * MIB, seed=6, fill=0.3)]
        vm = xapi.vm(sim.add_vm("a", disks, power_state="Halted"))
        image = xapi.export(vm)[0].body
        archive = read_archive(image)
        assert list(archive.chunks) == ["Ref:4", "Ref:7"]
        assert sum(not data for chunks in archive.chunks.values() for _, data in chunks) == 6
        assert all(name.endswith(".checksum") for name in archive.names[2::2])
        new = made(upload(xapi, image))
        digests = [[sim.digest(disk["uuid"]) for disk in xapi.disks(one)] for one in (vm, new)]
        assert digests[0] == digests[1]


def test_the_200_comes_before_the_body_and_says_nothing(sim: Simulator, xapi: Client, image: bytes) -> None:
    task = xapi.task()
    with xapi.connect() as connection:
        target = f"/import?session_id={xapi.session}&task_id={task}"
        connection.sendall(f"PUT {target} HTTP/1.1\r\nExpect: 100-continue\r\n\r\n".encode())
        head = connection.recv(4096)
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        assert f"task-id:{task}\r\n".encode() in head
        connection.sendall(image[: MIB // 2])
    assert xapi.wait(task)["error_info"] == ["IMPORT_ERROR_PREMATURE_EOF"]


@pytest.mark.parametrize(
    ("spoil", "error"),
    [
        (lambda parts: parts[1:], "IMPORT_ERROR_UNEXPECTED_FILE"),
        (lambda parts: parts[:-2], "IMPORT_ERROR_PREMATURE_EOF"),
        (lambda parts: parts[:1] + parts[3:], "IMPORT_ERROR"),
        (lambda parts: [*parts[:3], *parts[1:3], *parts[3:]], "IMPORT_ERROR"),
        (lambda parts: [*parts[:2], *parts[3:]], "IMPORT_ERROR_UNEXPECTED_FILE"),
        (lambda parts: [*parts[:2], (parts[2][0], b"0" * 16), *parts[3:]], "IMPORT_ERROR_SOME_CHECKSUMS_FAILED"),
        (lambda parts: [*parts[:1], (parts[1][0], b"x" * (8 * MIB)), *parts[2:]], "IMPORT_ERROR"),
        (
            lambda parts: [(parts[0][0], parts[0][1].replace(b">24<", b">25<")), *parts[1:]],
            "IMPORT_INCOMPATIBLE_VERSION",
        ),
        (
            lambda parts: [(parts[0][0], parts[0][1].replace(b"<name>PV_args</name>", b"<name>x</name>")), *parts[1:]],
            "INTERNAL_ERROR",
        ),
        (lambda parts: [(parts[0][0], b"<nonsense"), *parts[1:]], "IMPORT_ERROR"),
    ],
)
def test_a_bad_archive_is_refused_and_leaves_nothing_behind(
    sim: Simulator, xapi: Client, image: bytes, spoil: "object", error: str
) -> None:
    before = {cls: sim.records(cls).keys() for cls in ("VM", "VDI", "VBD", "VIF", "network", "VM_metrics")}
    files = set(sim.disk_path("x").parent.iterdir())
    assert callable(spoil)
    task = upload(xapi, packed(spoil(members(image))))
    errors = task["error_info"]
    assert isinstance(errors, list)
    assert (task["status"], errors[0]) == ("failure", error)
    assert {cls: sim.records(cls).keys() for cls in before} == before
    assert set(sim.disk_path("x").parent.iterdir()) == files


def test_the_importer_stops_after_the_last_chunk(xapi: Client, image: bytes) -> None:
    made(upload(xapi, image[:-1024]))
    made(upload(xapi, image + b"garbage" * (1 << 20)))


@pytest.mark.parametrize("path", ["/import", "/import_metadata"])
def test_an_upgrade_refuses_imports_before_their_body(sim: Simulator, xapi: Client, path: str) -> None:
    (pool_ref,) = sim.records("pool")
    xapi("pool.add_to_other_config", pool_ref, "rolling_upgrade_in_progress", "true")
    task = xapi.task()
    reply = xapi.put(path, b"", session_id=xapi.session, task_id=task)
    assert reply.status == "HTTP/1.0 400 Bad Request"
    assert xapi.wait(task)["error_info"] == ["NOT_SUPPORTED_DURING_UPGRADE"]


def test_a_suspended_vm_comes_back_suspended_when_its_power_state_is_kept(sim: Simulator, xapi: Client) -> None:
    vm = xapi.vm(sim.add_vm("asleep", [DiskSpec(MIB, seed=1)], power_state="Suspended", memory=8 * MIB))
    memory = xapi("VDI.get_uuid", xapi("VM.get_suspend_VDI", vm))
    awake = read_archive(xapi.export(vm)[0].body)
    assert (awake.one("VM")["power_state"], len(awake.chunks)) == ("Halted", 1)
    image = xapi.export(vm, preserve_power_state="true")[0].body
    kept = read_archive(image)
    assert (kept.one("VM")["power_state"], len(kept.chunks)) == ("Suspended", 2)
    assert kept.all("VDI")[kept.one("VM")["suspend_VDI"]]["type"] == "suspend"
    new = made(upload(xapi, image))
    assert xapi("VM.get_power_state", new) == "Suspended"
    assert sim.same(xapi("VDI.get_uuid", xapi("VM.get_suspend_VDI", new)), memory)
    not_paused = not_forced = False
    xapi("VM.resume", new, not_paused, not_forced)
    assert xapi("VM.get_power_state", new) == "Running"


def test_an_encoded_transfer_is_refused(xapi: Client) -> None:
    task = xapi.task()
    query = {"session_id": xapi.session, "task_id": task}
    reply = xapi.put("/import", b"", "Transfer-Encoding: chunked\r\n", **query)
    assert reply.status.split()[1] == "403"
    assert xapi.wait(task)["error_info"] == ["IMPORT_ERROR_CANNOT_HANDLE_CHUNKED"]


def test_a_repository_is_chosen_by_ref_or_uuid(sim: Simulator, xapi: Client, image: bytes) -> None:
    local, iso = (next(ref for ref, one in sim.records("SR").items() if one["type"] == kind) for kind in ("ext", "iso"))
    for query in ({"sr_id": local}, {"sr_uuid": sim.records("SR")[local]["uuid"]}):
        assert {disk["SR"] for disk in xapi.disks(made(upload(xapi, image, **query)))} == {local}
    assert upload(xapi, image, "400", sr_id=iso)["error_info"] == ["SR_OPERATION_NOT_SUPPORTED", iso]
    with sim.editing() as pool:
        pool.db.set("pool", next(iter(pool.db.table("pool"))), default_SR="OpaqueRef:gone")
    assert upload(xapi, image, "500")["error_info"] == ["DEFAULT_SR_NOT_FOUND", "OpaqueRef:gone"]


def test_a_missing_network_is_made_again(sim: Simulator, xapi: Client, vm: str, image: bytes) -> None:
    network = xapi("VIF.get_network", xapi("VM.get_VIFs", vm)[0])
    xapi("network.set_name_label", network, "renamed")
    with sim.editing() as pool:
        pool.db.set("network", network, bridge="xenbr9")
    new = made(upload(xapi, image))
    found = xapi("network.get_record", xapi("VIF.get_network", xapi("VM.get_VIFs", new)[0]))
    assert (found["name_label"], found["bridge"]) == ("Pool-wide network associated with eth0", "xenbr0")


def test_what_an_import_makes_bears_its_task(sim: Simulator, xapi: Client, vm: str, image: bytes) -> None:
    network = xapi("VIF.get_network", xapi("VM.get_VIFs", vm)[0])
    new = []
    for name in ("renamed", "Pool-wide network associated with eth0"):
        xapi("network.set_name_label", network, name)
        with sim.editing() as pool:
            pool.db.set("network", network, bridge="xenbr9")
        task = xapi.task()
        xapi.put("/import", image, session_id=xapi.session, task_id=task)
        new.append(made(xapi.wait(task)))
        assert xapi("VM.get_other_config", new[-1])["import_task"] == task
    strays = [xapi("VIF.get_network", xapi("VM.get_VIFs", one)[0]) for one in new]
    assert (
        xapi("network.get_other_config", strays[0])["import_task"] == xapi("VM.get_other_config", new[0])["import_task"]
    )
    assert "import_task" not in xapi("network.get_other_config", network), "one that was found bears none"


def test_an_import_can_be_cut_or_fail_late(sim: Simulator, xapi: Client, image: bytes) -> None:
    before = sim.records("VM").keys()
    sim.faults.add(Cut(path="/import", after=2 * MIB))
    assert upload(xapi, image)["status"] == "failure"
    sim.faults.add(TaskFails(path="/import", code="VDI_IO_ERROR", params=("x",)))
    assert upload(xapi, image)["error_info"] == ["VDI_IO_ERROR", "x"]
    assert sim.records("VM").keys() == before


def test_an_import_that_takes_its_time_shows_its_records_and_its_progress(
    sim: Simulator, xapi: Client, image: bytes
) -> None:
    before = sim.records("VM").keys()
    sim.faults.add(Stall(path="/import", after=2 * MIB, since="records"))
    task = xapi.task()
    sender = Thread(target=xapi.put, args=("/import", image), kwargs={"session_id": xapi.session, "task_id": task})
    sender.start()
    deadline = time.monotonic() + 20
    while float((record := xapi("task.get_record", task))["progress"]) == 0:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert (record["status"], record["other_config"]["object_creation"]) == ("pending", "complete")
    assert 0 < float(record["progress"]) < 1
    (half,) = sim.records("VM").keys() - before
    assert xapi("VM.get_current_operations", half) == {task: "import"}
    assert sum(disk["virtual_size"] for disk in sim.records("VDI").values() if disk["VBDs"]) >= 2 * sum(SIZES)
    sim.faults.clear()
    sender.join()
    assert made(xapi.wait(task)) == half


def test_an_import_fails_when_its_records_are_made_and_takes_them_back(
    sim: Simulator, xapi: Client, image: bytes
) -> None:
    before = {cls: sim.records(cls).keys() for cls in ("VM", "VDI", "VBD", "VIF")}
    there: list[int] = []
    sim.faults.add(BodyHook(path="/import", after=0, since="records", run=lambda: there.append(len(sim.records("VM")))))
    sim.faults.add(ErrorInBody(path="/import", after=0, since="records", code="SR_BACKEND_FAILURE_44", params=("",)))
    assert upload(xapi, image)["error_info"] == ["SR_BACKEND_FAILURE_44", ""]
    assert there == [len(before["VM"]) + 1]
    assert {cls: sim.records(cls).keys() for cls in before} == before


def test_a_hook_is_called_at_a_byte_of_an_upload(sim: Simulator, xapi: Client, image: bytes) -> None:
    seen: list[int] = []
    for after in (0, MIB):
        sim.faults.add(BodyHook(path="/import", after=after, run=partial(seen.append, after)))
    made(upload(xapi, image))
    assert seen == [0, MIB]


def test_nobody_undoes_an_import_whose_toolstack_restarts(tmp_path: Path) -> None:
    with Simulator(tmp_path, tls=False) as sim:
        xapi = Client(sim)
        image = xapi.export(xapi.vm(sim.add_vm("a", [DiskSpec(2 * MIB, seed=1)], power_state="Halted")))[0].body
        before = {cls: sim.records(cls).keys() for cls in ("VM", "VDI")}
        sim.faults.add(Stall(path="/import", after=0, since="records"))
        task = xapi.task()
        sender = Thread(target=xapi.put, args=("/import", image), kwargs={"session_id": xapi.session, "task_id": task})
        sender.start()
        while "object_creation" not in xapi("task.get_other_config", task):
            time.sleep(0.01)
        sim.restart_toolstack()
        sender.join()
    (left,) = sim.records("VM").keys() - before["VM"]
    assert (sim.records("VM")[left]["current_operations"], len(sim.records("VDI").keys() - before["VDI"])) == ({}, 1)


def test_what_an_import_takes_of_its_repository_is_known_at_once(sim: Simulator, xapi: Client, image: bytes) -> None:
    sr = sim.add_sr("another")
    ref = xapi("SR.get_by_uuid", sr)
    assert [int(xapi(f"SR.get_{name}", ref)) for name in ("physical_utilisation", "virtual_allocation")] == [0, 0]
    new = made(upload(xapi, image, sr_id=ref))
    taken = sum(int(disk["physical_utilisation"]) for disk in xapi.disks(new))
    assert MIB <= taken <= sum(SIZES) + MIB
    assert int(xapi("SR.get_physical_utilisation", ref)) == taken
    assert int(xapi("SR.get_virtual_allocation", ref)) == sum(SIZES)


def test_an_import_that_fills_thin_storage_fails_late(sim: Simulator, xapi: Client, image: bytes) -> None:
    sr = sim.add_sr("small")
    sim.leave_free(sr, MIB // 2)
    before = sim.records("VM").keys(), sim.records("VDI").keys()
    task = upload(xapi, image, sr_uuid=sr)
    assert task["error_info"] == ["VDI_IO_ERROR", "Device I/O errors"]
    assert (sim.records("VM").keys(), sim.records("VDI").keys()) == before
    assert int(xapi("SR.get_physical_utilisation", xapi("SR.get_by_uuid", sr))) == 0
