"""What the samples of the XenAPI binding do: provision a VM, cycle its power, watch events, export and import."""

import http.client
import ssl
import time
from collections.abc import Callable, Iterator
from urllib.parse import urlencode

import pytest
import XenAPI

from vmbackup.simulator import DiskSpec, Simulator

MIB = 1 << 20
PLAIN = (False, False)


@pytest.fixture
def session(sim: Simulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[XenAPI.Session]:
    monkeypatch.setenv("SSL_CERT_FILE", str(sim.certificate))
    found: XenAPI.Session = XenAPI.Session(sim.url)
    found.xenapi.login_with_password("root", "simulated", "1.0", "a sample")
    yield found
    found.xenapi.session.logout()
    found("close")()


def awaited(session: XenAPI.Session, task: str) -> str:
    """Wait for a task by its events, and give its result."""
    token, status = "", "pending"
    while status == "pending":
        told = session.xenapi.event_from([f"task/{task}"], token, 10.0)
        token = told["token"]
        for event in told["events"]:
            status = event["snapshot"]["status"]
    record = session.xenapi.task.get_record(task)
    session.xenapi.task.destroy(task)
    assert record["status"] == "success", record["error_info"]
    return str(record["result"]).removeprefix("<value>").removesuffix("</value>")


def booted(session: XenAPI.Session, vm: str) -> str:
    """Wait by events until the guest of a VM reports, and give its metrics."""
    token, guest = "", session.xenapi.VM.get_guest_metrics(vm)
    while guest == "OpaqueRef:NULL":
        told = session.xenapi.event_from([f"VM/{vm}"], token, 10.0)
        token = told["token"]
        for event in told["events"]:
            guest = event["snapshot"]["guest_metrics"]
    return str(guest)


def test_a_vm_is_provisioned_from_a_template_and_its_power_cycled(sim: Simulator, session: XenAPI.Session) -> None:
    with sim.editing() as pool:
        original = pool.db.by_uuid("VM", sim.add_vm("Debian Bookworm 12", [DiskSpec(MIB)], power_state="Halted"))
        pool.db.set("VM", original, is_a_template=True)
    api = session.xenapi
    (template,) = [ref for ref, vm in api.VM.get_all_records().items() if vm["name_label"].startswith("Debian")]
    vm = awaited(session, api.Async.VM.clone(template, "new"))
    api.VM.set_name_description(vm, "made by a sample")
    api.VM.provision(vm)
    steps: list[tuple[Callable[[str], str], str]] = [
        (lambda one: str(api.Async.VM.start(one, *PLAIN)), "Running"),
        (lambda one: str(api.Async.VM.suspend(one)), "Suspended"),
        (lambda one: str(api.Async.VM.resume(one, *PLAIN)), "Running"),
        (lambda one: str(api.Async.VM.pause(one)), "Paused"),
        (lambda one: str(api.Async.VM.unpause(one)), "Running"),
        (lambda one: str(api.Async.VM.clean_reboot(one)), "Running"),
        (lambda one: str(api.Async.VM.hard_reboot(one)), "Running"),
        (lambda one: str(api.Async.VM.clean_shutdown(one)), "Halted"),
    ]
    for begin, expected in steps:
        awaited(session, begin(vm))
        assert api.VM.get_power_state(vm) == expected
        if expected == "Running":
            assert api.VM_guest_metrics.get_os_version(booted(session, vm))["distro"] == "debian"
    api.VM.destroy(vm)


def test_an_image_is_fetched_and_put_back_by_plain_http(sim: Simulator, session: XenAPI.Session) -> None:
    api = session.xenapi
    vm = api.VM.get_by_uuid(sim.add_vm("web", [DiskSpec(3 * MIB, seed=1)], power_state="Halted"))
    # The importer reads no end mark, and what it leaves unread comes back as a reset.
    image = ask(sim, "GET", "/export", session_id=session.handle, ref=vm).removesuffix(bytes(1024))
    task = api.task.create("import", "of a sample")
    assert ask(sim, "PUT", "/import", image, session_id=session.handle, task_id=task) == b""
    while api.task.get_status(task) == "pending":
        time.sleep(0.01)
    assert api.task.get_status(task) == "success"
    (made,) = [ref for ref in api.VM.get_by_name_label("web") if ref != vm]
    disks = [
        api.VDI.get_uuid(api.VBD.get_VDI(vbd)) for one in (vm, made) for vbd in api.VM.get_VBDs(one) if disk(api, vbd)
    ]
    assert sim.same(*disks)


def disk(api: XenAPI.Session, vbd: str) -> bool:
    return bool(api.VBD.get_type(vbd) == "Disk")


def ask(sim: Simulator, method: str, path: str, body: bytes | None = None, **query: str) -> bytes:
    place = sim.url.removeprefix("https://")
    context = ssl.create_default_context(cafile=sim.certificate)
    connection = http.client.HTTPSConnection(place, context=context, timeout=20)
    connection.request(method, f"{path}?{urlencode(query)}", body)
    answer = connection.getresponse()
    assert answer.status == 200
    content = answer.read()
    connection.close()
    return content
