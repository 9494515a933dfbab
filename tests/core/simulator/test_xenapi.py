"""The public binding, used as its own examples do."""

import hashlib
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import XenAPI

from vmbackup.simulator import DiskSpec, Simulator

NOT_PAUSED = (False, False)


@pytest.fixture(params=["http", "https"])
def pool(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Simulator]:
    with Simulator(tmp_path, tls=request.param == "https") as sim:
        yield sim


@pytest.fixture
def session(pool: Simulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[XenAPI.Session]:
    monkeypatch.setenv("SSL_CERT_FILE", str(pool.certificate))
    found: XenAPI.Session = XenAPI.Session(pool.url)
    found.xenapi.login_with_password("root", "simulated", "1.0", "tests")
    yield found
    found.xenapi.session.logout()
    found("close")()


def test_the_binding_logs_in_lists_and_reads(pool: Simulator, session: XenAPI.Session) -> None:
    uuid = pool.add_vm("web", [DiskSpec(1 << 20)])
    records = session.xenapi.VM.get_all_records()
    names = [r["name_label"] for r in records.values() if not r["is_control_domain"] and not r["is_a_template"]]
    assert names == ["web"]
    assert session.xenapi.VM.get_by_uuid(uuid) in records
    assert session.API_version == "2.21"
    host = session.xenapi.session.get_this_host(session.handle)
    assert session.xenapi.host.get_software_version(host)["product_brand"] == "XCP-ng"


def test_the_binding_snapshots_asynchronously(pool: Simulator, session: XenAPI.Session) -> None:
    vm = session.xenapi.VM.get_by_uuid(pool.add_vm("web", [DiskSpec(1 << 20)]))
    task = session.xenapi.Async.VM.snapshot(vm, "a snapshot")
    while session.xenapi.task.get_status(task) == "pending":
        time.sleep(0.01)
    assert session.xenapi.task.get_status(task) == "success"
    (snap,) = session.xenapi.VM.get_by_name_label("a snapshot")
    assert session.xenapi.task.get_result(task) == f"<value>{snap}</value>"
    session.xenapi.task.destroy(task)


def test_the_binding_raises_failures_with_details(pool: Simulator, session: XenAPI.Session) -> None:
    vm = session.xenapi.VM.get_by_uuid(pool.add_vm("web"))
    with pytest.raises(XenAPI.Failure) as caught:
        session.xenapi.VM.start(vm, *NOT_PAUSED)
    assert caught.value.details == ["VM_BAD_POWER_STATE", vm, "halted", "running"]


def test_the_binding_logs_in_again_when_its_session_is_gone(pool: Simulator, session: XenAPI.Session) -> None:
    with pool.editing() as records:
        records.db.delete("session", session.handle)
    assert len(session.xenapi.host.get_all()) == 1


def test_an_event_loop_of_the_binding_follows_the_pool(pool: Simulator, session: XenAPI.Session) -> None:
    vm = session.xenapi.VM.get_by_uuid(pool.add_vm("web", [DiskSpec(1 << 20)]))
    output = session.xenapi.event_from(["*"], "", 0.0)
    names = {event["snapshot"]["name_label"] for event in output["events"] if event["class"] == "vm"}
    assert "web" in names
    task = session.xenapi.Async.VM.snapshot(vm, "a snapshot")
    told: list[tuple[str, str, str | None]] = []
    while not any(ref == task and status == "success" for _, ref, status in told):
        output = session.xenapi.event_from(["VM", f"task/{task}"], output["token"], 10.0)
        told += [(event["operation"], event["ref"], event["snapshot"].get("status")) for event in output["events"]]
    (snap,) = session.xenapi.VM.get_snapshots(vm)
    assert {(operation, ref) for operation, ref, _ in told} >= {("add", snap), ("mod", vm)}


def test_an_old_event_loop_of_the_binding_registers_first(pool: Simulator, session: XenAPI.Session) -> None:
    vm = session.xenapi.VM.get_by_uuid(pool.add_vm("web"))
    session.xenapi.event.register(["VM"])
    session.xenapi.VM.add_tags(vm, "a tag")
    (event,) = session.xenapi.event.next()
    assert (event["class"], event["operation"], event["ref"]) == ("vm", "mod", vm)
    assert event["snapshot"]["tags"] == ["a tag"]
    session.xenapi.event.unregister(["VM"])


def test_the_certificate_is_the_one_that_is_announced(tmp_path: Path) -> None:
    with Simulator(tmp_path) as sim:
        port = int(sim.url.rsplit(":", 1)[1])
        context = ssl.create_default_context(cafile=sim.certificate)
        for name in ("localhost", "127.0.0.1"):
            with (
                socket.create_connection(("127.0.0.1", port)) as raw,
                context.wrap_socket(raw, server_hostname=name) as wrapped,
            ):
                assert wrapped.version() == "TLSv1.2"
                cipher = wrapped.cipher()
                assert cipher is not None
                assert cipher[0] == "ECDHE-RSA-AES256-GCM-SHA384"
                der = wrapped.getpeercert(binary_form=True)
                assert der is not None
                assert hashlib.sha256(der).hexdigest().upper() == sim.fingerprint.replace(":", "")
