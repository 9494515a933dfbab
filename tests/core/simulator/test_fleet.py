import contextlib
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.core.simulator.client import Client, Refused

from vmbackup.simulator import BodyHook, DiskSpec, Simulator

MIB = 1 << 20


@pytest.fixture
def sim(tmp_path: Path) -> Iterator[Simulator]:
    with Simulator(tmp_path / "sim", tls=False, hosts=3, retry_seconds=0.3, progress_seconds=0.05) as running:
        yield running


def refused(xapi: Client, method: str, *params: object) -> list[str]:
    with pytest.raises(Refused) as caught:
        xapi(method, *params)
    return caught.value.details


def login(xapi: Client) -> str:
    session: str = xapi.bare("session.login_with_password", "root", "simulated", "1.0", "tests")
    return session


def test_each_host_has_an_address_of_its_own_and_all_one_port(sim: Simulator, xapi: Client) -> None:
    assert [host.address for host in sim.hosts] == ["127.0.0.1", "127.0.0.2", "127.0.0.3"]
    assert len({host.url.rpartition(":")[2] for host in sim.hosts}) == 1
    assert sim.url == sim.coordinator.url == sim.hosts[0].url
    records = xapi("host.get_all_records")
    assert list(records) == [host.ref for host in sim.hosts]
    for host in sim.hosts:
        record = records[host.ref]
        assert (record["uuid"], record["name_label"], record["address"]) == (host.uuid, host.name, host.address)
        domain = xapi("VM.get_record", record["control_domain"])
        assert domain["is_control_domain"]
        assert record["resident_VMs"] == [record["control_domain"]]
        pbds = [xapi("PBD.get_record", pbd) for pbd in record["PBDs"]]
        assert all(pbd["currently_attached"] for pbd in pbds)
        labels = sorted(xapi("SR.get_name_label", pbd["SR"]) for pbd in pbds)
        assert labels == ["Local storage", "NFS storage", "XCP-ng Tools"]
        pifs = [xapi("PIF.get_record", pif) for pif in record["PIFs"]]
        assert [pif["IP"] for pif in pifs if pif["management"]] == [host.address]
        assert xapi("host_metrics.get_record", record["metrics"])["live"]
    assert len(xapi("network.get_all")) == 2
    assert xapi("session.get_this_host", xapi.session) == sim.hosts[0].ref


def test_repositories_are_seen_by_one_host_or_by_all(sim: Simulator, xapi: Client) -> None:
    local = sim.add_sr("local", host=sim.hosts[1])
    together = sim.add_sr("together")
    lonely = sim.add_sr("lonely", host=sim.hosts[2], shared=True, type="lvmoiscsi")
    found = {}
    for uuid in (local, together, lonely):
        record = xapi("SR.get_record", xapi("SR.get_by_uuid", uuid))
        hosts = {xapi("PBD.get_host", pbd) for pbd in record["PBDs"]}
        found[record["name_label"]] = (record["type"], record["shared"], hosts)
    everybody = {host.ref for host in sim.hosts}
    assert found == {
        "local": ("ext", False, {sim.hosts[1].ref}),
        "together": ("nfs", True, everybody),
        "lonely": ("lvmoiscsi", True, {sim.hosts[2].ref}),
    }


def test_a_member_names_the_coordinator_without_a_port(sim: Simulator, xapi: Client) -> None:
    member = xapi.at(sim.hosts[2].url)
    assert refused(member, "VM.get_all") == ["HOST_IS_SLAVE", "127.0.0.1"]
    assert refused(member, "Async.VM.get_all") == ["HOST_IS_SLAVE", "127.0.0.1"]
    with pytest.raises(Refused) as caught:
        login(member)
    assert caught.value.details == ["HOST_IS_SLAVE", "127.0.0.1"]


def test_a_member_in_emergency_says_why_until_it_rejoins(sim: Simulator, xapi: Client) -> None:
    member = xapi.at(sim.hosts[1].url)
    vm = xapi.vm(sim.add_vm("a", [DiskSpec(MIB)], power_state="Halted"))
    sim.isolate(sim.hosts[1])
    assert refused(member, "VM.get_all") == ["HOST_STILL_BOOTING"]
    assert member.get("/export", session_id=xapi.session, ref=vm).status.split()[1] == "500"
    sim.isolate(sim.hosts[1], "HOST_UNKNOWN_TO_MASTER", "a uuid")
    assert refused(member, "VM.get_all") == ["HOST_UNKNOWN_TO_MASTER", "a uuid"]
    sim.rejoin(sim.hosts[1])
    assert refused(member, "VM.get_all") == ["HOST_IS_SLAVE", "127.0.0.1"]
    assert member.get("/export", session_id=xapi.session, ref=vm).status.split()[1] == "200"


def test_the_coordinator_moves_and_takes_nothing_from_memory_along(sim: Simulator, xapi: Client) -> None:
    vm = xapi.vm(sim.add_vm("a", [DiskSpec(MIB)]))
    snap = xapi("VM.snapshot", vm, "s")
    record = xapi("VM.get_record", snap)
    task = xapi.task()
    sim.move_coordinator(sim.hosts[1])
    assert (sim.url, sim.coordinator) == (sim.hosts[1].url, sim.hosts[1])
    assert refused(xapi, "VM.get_all") == ["HOST_IS_SLAVE", "127.0.0.2"]
    led = xapi.at(sim.url)
    assert refused(led, "VM.get_all") == ["SESSION_INVALID", xapi.session]
    led.session = login(led)
    assert led("VM.get_record", snap) == record
    assert refused(led, "task.get_record", task) == ["HANDLE_INVALID", "task", task]
    assert led("pool.get_master", led("pool.get_all")[0]) == sim.hosts[1].ref
    assert led("session.get_this_host", led.session) == sim.hosts[1].ref


BIG = [DiskSpec(8 * MIB, seed=1, fill=1.0)]


def test_a_member_that_restarts_cuts_its_streams_and_loses_their_tasks(sim: Simulator, xapi: Client) -> None:
    vm = xapi.vm(sim.add_vm("a", BIG, power_state="Halted"))
    other, task = xapi.task(), xapi.task()
    sim.faults.add(BodyHook(after=3 * MIB, run=lambda: sim.restart_toolstack(sim.hosts[1])))
    reply = xapi.at(sim.hosts[1].url).get("/export", session_id=xapi.session, task_id=task, ref=vm)
    assert len(reply.body) < 4 * MIB
    assert b"HTTP" not in reply.body[3 * MIB :]
    assert refused(xapi, "task.get_record", task) == ["HANDLE_INVALID", "task", task]
    assert xapi("task.get_status", other) == "pending"
    assert xapi("VM.get_current_operations", vm) == {}
    again, record = xapi.export(vm)
    assert (record["status"], len(again.body) > 8 * MIB) == ("success", True)


def test_a_coordinator_that_restarts_leaves_the_streams_of_members_alone(sim: Simulator, xapi: Client) -> None:
    vm = xapi.vm(sim.add_vm("a", BIG, power_state="Halted"))
    task = xapi.task()
    sim.faults.add(BodyHook(after=3 * MIB, run=sim.restart_toolstack))
    reply = xapi.at(sim.hosts[1].url).get("/export", session_id=xapi.session, task_id=task, ref=vm)
    assert reply.body.endswith(bytes(1024))
    assert len(reply.body) > 8 * MIB
    assert refused(xapi, "VM.get_all") == ["SESSION_INVALID", xapi.session]
    xapi.session = login(xapi)
    assert refused(xapi, "task.get_record", task) == ["HANDLE_INVALID", "task", task]
    sim.faults.add(BodyHook(after=3 * MIB, run=sim.restart_toolstack))
    cut = xapi.get("/export", session_id=xapi.session, ref=vm)
    assert 0 < len(cut.body) < 4 * MIB


def test_a_coordinator_that_moves_cuts_every_stream(sim: Simulator, xapi: Client) -> None:
    vm = xapi.vm(sim.add_vm("a", BIG, power_state="Halted"))
    sim.faults.add(BodyHook(after=3 * MIB, run=lambda: sim.move_coordinator(sim.hosts[2])))
    reply = xapi.at(sim.hosts[1].url).get("/export", session_id=xapi.session, ref=vm)
    assert 0 < len(reply.body) < 4 * MIB
    assert not [vbd for vbd in sim.records("VBD").values() if vbd["device"].startswith("sm/")]


def test_a_host_that_dies_leaves_its_task_and_its_marks_until_it_returns(sim: Simulator, xapi: Client) -> None:
    vm = xapi.vm(sim.add_vm("a", BIG, power_state="Halted"))
    (disk,) = xapi.disks(vm)
    task = xapi.task()
    sim.faults.add(BodyHook(after=3 * MIB, run=lambda: sim.host_down(sim.hosts[1])))
    reply = xapi.at(sim.hosts[1].url).get("/export", session_id=xapi.session, task_id=task, ref=vm)
    assert len(reply.body) < 4 * MIB
    record = xapi("task.get_record", task)
    assert (record["status"], record["resident_on"]) == ("pending", sim.hosts[1].ref)
    assert xapi("VM.get_current_operations", vm) == {task: "export"}
    assert refused(xapi, "VDI.destroy", disk["ref"])[0] == "VDI_IN_USE"
    with pytest.raises(ConnectionRefusedError):
        xapi.at(sim.hosts[1].url).get("/export")
    metrics = xapi("host.get_metrics", sim.hosts[1].ref)
    assert not xapi("host_metrics.get_live", metrics)
    sim.host_up(sim.hosts[1])
    assert xapi("host_metrics.get_live", metrics)
    assert refused(xapi, "task.get_record", task) == ["HANDLE_INVALID", "task", task]
    assert xapi("VM.get_current_operations", vm) == {}
    xapi("VDI.destroy", disk["ref"])


def test_a_dead_coordinator_is_refused_until_another_takes_its_place(sim: Simulator, xapi: Client) -> None:
    idle = socket.create_connection(xapi.address, timeout=5)
    with idle:
        sim.host_down(sim.hosts[0])
        with contextlib.suppress(ConnectionResetError):  # it was not even accepted
            assert idle.recv(1) == b""
    with pytest.raises(ConnectionRefusedError):
        xapi("VM.get_all")
    member = xapi.at(sim.hosts[1].url)
    assert refused(member, "VM.get_all") == ["HOST_IS_SLAVE", "127.0.0.1"]
    assert member.get("/export", session_id=xapi.session, ref="x").status.split()[1] == "500"
    sim.move_coordinator(sim.hosts[1])
    login(member)
    sim.host_up(sim.hosts[0])
    assert refused(xapi, "VM.get_all") == ["HOST_IS_SLAVE", "127.0.0.2"]
    member.session = login(member)
    assert len(member("host.get_all")) == 3


def test_the_port_of_a_dead_host_stays_its_own(sim: Simulator) -> None:
    member = sim.hosts[1]
    place = (member.address, int(member.url.rpartition(":")[2]))  # nobody was connected to it
    sim.host_down(member)
    with socket.socket() as stranger, pytest.raises(OSError, match="in use"):
        stranger.bind(place)
    sim.host_up(member)
    with socket.create_connection(place, timeout=5):
        pass


def test_the_storage_of_a_dead_host_is_offline(sim: Simulator, xapi: Client) -> None:
    sr = sim.add_sr("its own", host=sim.hosts[2])
    vm = xapi.vm(sim.add_vm("a", [DiskSpec(MIB)], sr=sr))
    assert xapi("VM.get_resident_on", vm) == sim.hosts[2].ref
    (disk,) = xapi.disks(vm)
    sim.host_down(sim.hosts[2])
    assert refused(xapi, "VM.snapshot", vm, "s") == ["NO_HOSTS_AVAILABLE"]
    assert refused(xapi, "VDI.snapshot", disk["ref"]) == ["HOST_OFFLINE", sim.hosts[2].ref]


def test_a_call_that_waits_gives_up_when_the_coordinator_restarts(sim: Simulator, xapi: Client) -> None:
    vm = xapi.vm(sim.add_vm("a", [DiskSpec(MIB)], power_state="Halted"))
    with sim.editing() as pool:
        pool.db.set("VM", vm, current_operations={"somebody": "destroy"})
    task = xapi("Async.VM.snapshot", vm, "never made")
    sim.restart_toolstack()
    xapi.session = login(xapi)
    assert refused(xapi, "task.get_record", task)[0] == "HANDLE_INVALID"
    assert xapi("VM.snapshot", vm, "made")
    assert [record["name_label"] for record in sim.records("VM").values() if record["is_a_snapshot"]] == ["made"]


def test_each_host_has_a_certificate_of_its_own_which_the_pool_lists(tmp_path: Path) -> None:
    with Simulator(tmp_path / "tls", hosts=2) as sim:
        xapi = Client(sim, tls=True)
        listed = {one["host"]: one["fingerprint"] for one in xapi("Certificate.get_all_records").values()}
        assert listed == {host.ref: host.fingerprint for host in sim.hosts}
        assert len(set(listed.values())) == 2
        assert sim.fingerprint == sim.hosts[0].fingerprint
        for host in sim.hosts:
            _, port = xapi.address
            pem = ssl.get_server_certificate((host.address, port), ca_certs=str(host.certificate))
            assert pem.strip() in host.certificate.read_text()
        (certificate,) = xapi("host.get_certificates", sim.hosts[1].ref)
        assert xapi("Certificate.get_type", certificate) == "host"
        assert xapi("Certificate.get_not_after", certificate).value > "2035"


def test_a_pool_comes_back_with_its_hosts_and_its_coordinator(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    with Simulator(folder, tls=False, hosts=2) as sim:
        hosts = [(host.ref, host.uuid, host.address) for host in sim.hosts]
        sim.move_coordinator(sim.hosts[1])
        sim.host_down(sim.hosts[0])
    with Simulator(folder, tls=False) as sim:
        assert [(host.ref, host.uuid, host.address) for host in sim.hosts] == hosts
        assert sim.url == sim.hosts[1].url
        assert len(Client(sim)("host.get_all")) == 2


def test_hosts_that_cannot_follow_an_address_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="loopback"):
        Simulator(tmp_path / "never", address="192.0.2.1", hosts=2)
