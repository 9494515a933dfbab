from collections.abc import Callable

import pytest
from tests.core.simulator.client import Client, Refused

from vmbackup.simulator import DiskSpec, Simulator
from vmbackup.simulator.users import ROLES, Role, needed

MIB = 1 << 20


@pytest.fixture
def enter(sim: Simulator) -> Callable[[Role], Client]:
    def enter(role: Role) -> Client:
        name = f"a {role}"
        sim.add_user(name, "secret", role)
        return Client(sim, user=(name, "secret"))

    return enter


def refused(xapi: Client, method: str, *params: object) -> list[str]:
    with pytest.raises(Refused) as caught:
        xapi(method, *params)
    return caught.value.details


@pytest.mark.parametrize(
    ("call", "least"),
    [
        ("VM.get_all_records", "read-only"),
        ("VM.assert_operation_valid", "read-only"),
        ("event.from", "read-only"),
        ("task.create", "read-only"),
        ("VM.start", "vm-operator"),
        ("VM.add_tags", "vm-operator"),
        ("VBD.eject", "vm-operator"),
        ("VM.destroy", "vm-admin"),
        ("VM.set_name_label", "vm-admin"),
        ("VDI.destroy", "vm-admin"),
        ("VDI.snapshot", "vm-admin"),
        ("VDI.get_nbd_info", "vm-admin"),
        ("VM.snapshot", "vm-power-admin"),
        ("SR.scan", "vm-power-admin"),
        ("pool.designate_new_master", "pool-operator"),
        ("host.set_name_label", "pool-operator"),
        ("secret.get_value", "pool-operator"),
        ("network.add_purpose", "pool-admin"),
    ],
)
def test_each_call_has_its_least_role(call: str, least: Role) -> None:
    assert needed(call) == least


@pytest.mark.parametrize("role", ROLES)
def test_a_role_may_do_what_lesser_ones_may_and_no_more(
    sim: Simulator, xapi: Client, enter: Callable[[Role], Client], role: Role
) -> None:
    vm = xapi.vm(sim.add_vm("a", [DiskSpec(MIB)], power_state="Halted"))
    user = enter(role)
    record = user("session.get_record", user.session)
    assert (record["auth_user_name"], record["is_local_superuser"]) == (f"a {role}", False)
    assert record["auth_user_sid"].startswith("S-1-5-")
    assert user("VM.get_name_label", vm) == "a"
    rank = ROLES.index(role)
    if rank > ROLES.index("vm-power-admin"):
        code, permission, message = refused(user, "VM.snapshot", vm, "s")
        assert (code, permission) == ("RBAC_PERMISSION_DENIED", "vm.snapshot")
        assert "pool-admin, pool-operator, vm-power-admin)" in message
        task = user("Async.VM.snapshot", vm, "s")
        assert user.wait(task)["error_info"][:2] == ["RBAC_PERMISSION_DENIED", "vm.snapshot"]
        assert not xapi("VM.get_snapshots", vm)
    else:
        assert user("VM.snapshot", vm, "s")
    if rank > ROLES.index("vm-admin"):
        assert refused(user, "VM.set_name_label", vm, "b")[1] == "vm.set_name_label"
    else:
        user("VM.set_name_label", vm, "b")


@pytest.mark.parametrize(
    ("method", "path", "least"),
    [
        ("GET", "/export", "vm-admin"),
        ("GET", "/export_metadata", "vm-admin"),
        ("GET", "/export_raw_vdi", "vm-admin"),
        ("PUT", "/import", "vm-admin"),
        ("PUT", "/import_raw_vdi", "vm-admin"),
        ("GET", "/pool/xmldbdump", "pool-admin"),
    ],
)
def test_a_handler_forbids_and_fails_the_task(  # noqa: PLR0917  fixtures and parameters
    sim: Simulator, xapi: Client, enter: Callable[[Role], Client], method: str, path: str, least: Role
) -> None:
    vm = xapi.vm(sim.add_vm("a", [DiskSpec(MIB)], power_state="Halted"))
    (disk,) = xapi.disks(vm)
    place = ROLES.index(least)
    for role, allowed in ((ROLES[place], True), (ROLES[place + 1], False)):
        user = enter(role)
        task = user.task()
        query = {"session_id": user.session, "task_id": task, "ref": vm, "vdi": disk["ref"]}
        reply = user.get(path, **query) if method == "GET" else user.put(path, b"", **query)
        status = reply.status.split()[1]
        error = user("task.get_error_info", task)
        if allowed:
            assert status == "200"
            assert "RBAC_PERMISSION_DENIED" not in error
        else:
            assert status == "403"
            assert error[0] == "RBAC_PERMISSION_DENIED"
            assert error[1].startswith("http/")
            assert user("task.get_status", task) == "failure"


def test_by_basic_a_role_that_is_too_low_is_forbidden_too(sim: Simulator, xapi: Client) -> None:
    sim.add_user("reader", "secret", "read-only")
    vm = xapi.vm(sim.add_vm("a", power_state="Halted"))
    sessions = len(sim.records("session"))
    reply = xapi.get("/export", headers="Authorization: Basic cmVhZGVyOnNlY3JldA==\r\n", ref=vm)
    assert reply.status.split()[1] == "403"
    assert len(sim.records("session")) == sessions


def test_only_a_pool_operator_ends_the_tasks_of_others(xapi: Client, enter: Callable[[Role], Client]) -> None:
    one, other, operator = enter("vm-admin"), enter("vm-operator"), enter("pool-operator")
    task = one.task()
    for call, *params in (("task.cancel",), ("task.destroy",), ("task.set_status", "success")):
        details = refused(other, call, task, *params)
        assert details[:2] == ["RBAC_PERMISSION_DENIED", "task.destroy/any"]
    assert other("task.get_status", task) == "pending"
    one("task.set_status", task, "success")
    operator("task.destroy", task)
    orphan = one.task()
    one("session.logout")
    assert refused(other, "task.destroy", orphan)[1] == "task.destroy/any"
    xapi("task.cancel", orphan)
