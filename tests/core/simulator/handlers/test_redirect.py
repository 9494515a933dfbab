from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.core.simulator.archive import read_archive
from tests.core.simulator.client import Client, Reply

from vmbackup.simulator import BodyHook, DiskSpec, Host, Simulator
from vmbackup.simulator.handlers.redirect import location
from vmbackup.simulator.http import parse_head

MIB = 1 << 20


@pytest.fixture
def sim(tmp_path: Path) -> Iterator[Simulator]:
    with Simulator(tmp_path / "sim", tls=False, hosts=3, retry_seconds=0.3) as running:
        yield running


def place(sim: Simulator, xapi: Client, host: Host) -> tuple[str, str]:
    """Make a VM on a host's own repository; gives its ref and its disk's."""
    sr = sim.add_sr("its own", host=host)
    vm = xapi.vm(sim.add_vm("local", [DiskSpec(4 * MIB, seed=1, fill=1.0)], power_state="Halted", sr=sr))
    (disk,) = xapi.disks(vm)
    return vm, disk["ref"]


def follow(xapi: Client, host: Host, reply: Reply, method: str = "GET", body: bytes = b"") -> Reply:
    """Check that a reply sends to the host, and ask there what it says, word for word."""
    assert reply.status == "HTTP/1.1 302 Found"
    assert reply.body == b""
    assert (reply.headers["connection"], reply.headers["cache-control"]) == ("close", "no-cache, no-store")
    location = reply.headers["location"]
    assert location.startswith(f"{host.url}/")
    split = urlsplit(location)
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    request = f"{method} {split.path}?{split.query} HTTP/1.0\r\n{length}\r\n".encode() + body
    return xapi.at(location).send(request)


def test_an_export_is_sent_to_the_host_that_sees_the_disks(sim: Simulator, xapi: Client) -> None:
    vm, _ = place(sim, xapi, sim.hosts[2])
    task = xapi.task()
    query = {"session_id": xapi.session, "task_id": task, "ref": vm, "use_compression": "a word & more"}
    reply = xapi.get("/export", **query)
    record = xapi("task.get_record", task)
    assert (record["status"], record["progress"], record["resident_on"]) == ("pending", 0.0, sim.hosts[0].ref)
    assert "use_compression=a%20word%20%26%20more" in reply.headers["location"]
    archive = follow(xapi, sim.hosts[2], reply)
    ((_, chunks),) = read_archive(archive.body).chunks.items()
    assert len(chunks) == 4
    record = xapi.wait(task)
    assert (record["status"], record["resident_on"]) == ("success", sim.hosts[2].ref)


def test_a_stream_is_attached_at_the_host_that_sends_it(sim: Simulator, xapi: Client) -> None:
    _, disk = place(sim, xapi, sim.hosts[1])
    reply = xapi.get("/export_raw_vdi", session_id=xapi.session, vdi=disk)
    seen: list[str] = []

    def look() -> None:
        (drive,) = (one for one in sim.records("VBD").values() if one["device"].startswith("sm/"))
        seen.append(drive["VM"])

    sim.faults.add(BodyHook(path="/export_raw_vdi", after=MIB, run=look))
    follow(xapi, sim.hosts[1], reply)
    assert seen == [xapi("host.get_control_domain", sim.hosts[1].ref)]


def test_members_take_the_sessions_of_the_coordinator_and_send_back_to_it(sim: Simulator, xapi: Client) -> None:
    vm, _ = place(sim, xapi, sim.hosts[0])
    reply = xapi.at(sim.hosts[1].url).get("/export", session_id=xapi.session, ref=vm)
    assert follow(xapi, sim.hosts[0], reply).body.endswith(bytes(1024))
    shared = xapi.vm(sim.add_vm("shared", [DiskSpec(MIB)], power_state="Halted"))
    here = xapi.at(sim.hosts[1].url).get("/export", session_id=xapi.session, ref=shared)
    assert here.status == "HTTP/1.0 200 OK"
    nobody = xapi.at(sim.hosts[1].url).get("/export", session_id="OpaqueRef:nobody", ref=shared)
    assert nobody.status.split()[1] == "401"


def test_raw_disks_are_sent_on_by_their_own_path_both_ways(sim: Simulator, xapi: Client) -> None:
    _, disk = place(sim, xapi, sim.hosts[1])
    reply = xapi.get("/export_raw_vdi", session_id=xapi.session, vdi=disk, format="raw")
    assert "/export_raw_vdi?" in reply.headers["location"]
    content = follow(xapi, sim.hosts[1], reply).body
    assert len(content) == 4 * MIB
    task = xapi.task()
    query = {"session_id": xapi.session, "task_id": task, "vdi": disk, "format": "raw"}
    reply = xapi.put("/import_raw_vdi", b"", **query)
    follow(xapi, sim.hosts[1], reply, "PUT", bytes(reversed(content)))
    assert xapi.wait(task)["status"] == "success"
    again = xapi.get("/export_raw_vdi", session_id=xapi.session, vdi=disk, format="raw")
    assert follow(xapi, sim.hosts[1], again).body == bytes(reversed(content))


def test_an_import_is_sent_to_the_host_of_its_repository_unread(sim: Simulator, xapi: Client) -> None:
    vm = xapi.vm(sim.add_vm("a", [DiskSpec(2 * MIB, seed=1, fill=1.0)], power_state="Halted"))
    image = xapi.export(vm)[0].body
    target = sim.add_sr("its own", host=sim.hosts[2])
    task = xapi.task()
    query = {"session_id": xapi.session, "task_id": task, "sr_uuid": target}
    reply = xapi.put("/import", b"", **query)
    assert xapi("task.get_status", task) == "pending"
    follow(xapi, sim.hosts[2], reply, "PUT", image)
    assert xapi.wait(task)["status"] == "success"
    assert len(xapi("SR.get_VDIs", xapi("SR.get_by_uuid", target))) == 1


def test_without_a_live_host_that_sees_all_disks_there_is_no_answer(sim: Simulator, xapi: Client) -> None:
    vm, disk = place(sim, xapi, sim.hosts[1])
    other = sim.add_sr("another's", host=sim.hosts[2])
    with sim.editing() as pool:
        pool.db.set("VDI", disk, SR=pool.db.by_uuid("SR", other))
    assert xapi.get("/export", session_id=xapi.session, ref=vm).status.split()[1] == "302"
    sim.host_down(sim.hosts[2])
    reply, task = xapi.export(vm)
    assert (reply.status, reply.body) == ("", b"")
    assert task["error_info"] == ["NO_HOSTS_AVAILABLE"]
    task_ref = xapi.task()
    reply = xapi.get("/export_raw_vdi", session_id=xapi.session, task_id=task_ref, vdi=disk)
    assert reply.status.split()[1] == "500"
    assert xapi.wait(task_ref)["error_info"] == ["NO_HOSTS_AVAILABLE"]


def test_a_vm_on_repositories_of_two_hosts_cannot_be_exported_nor_snapshotted(sim: Simulator, xapi: Client) -> None:
    specs = [DiskSpec(MIB), DiskSpec(MIB)]
    one, other = (sim.add_sr(host.name, host=host) for host in sim.hosts[:2])
    vm = xapi.vm(sim.add_vm("torn", specs, power_state="Halted", sr=one))
    disk = xapi.disks(vm)[1]["ref"]
    with sim.editing() as pool:
        pool.db.set("VDI", disk, SR=pool.db.by_uuid("SR", other))
    assert xapi.export(vm)[1]["error_info"] == ["NO_HOSTS_AVAILABLE"]
    task = xapi.wait(xapi("Async.VM.snapshot", vm, "s"))
    assert task["error_info"] == ["NO_HOSTS_AVAILABLE"]


def test_the_port_is_named_only_when_it_is_not_443() -> None:
    request = parse_head(b"GET /export?ref=a%20b&uuid= HTTP/1.0\r\n")
    assert location("https://192.0.2.7", 443, request) == "https://192.0.2.7/export?ref=a%20b&uuid="
    assert location("https://192.0.2.7", 8443, request) == "https://192.0.2.7:8443/export?ref=a%20b&uuid="


def test_over_tls_the_other_host_is_named_with_https(tmp_path: Path) -> None:
    with Simulator(tmp_path / "tls", hosts=2) as sim:
        xapi = Client(sim, tls=True)
        vm, _ = place(sim, xapi, sim.hosts[1])
        reply = xapi.get("/export", session_id=xapi.session, ref=vm)
        assert reply.headers["location"].startswith(f"https://127.0.0.2:{xapi.address[1]}/export?")
