import base64

import pytest
from tests.core.simulator.archive import read_archive
from tests.core.simulator.client import Client, Refused

from vmbackup.simulator import Simulator
from vmbackup.simulator.chips import contents

STATE = base64.b64encode(b"what the TPM knows").decode()


def chip(xapi: Client, vm: str) -> str:
    (ref,) = xapi("VM.get_VTPMs", vm)
    return str(ref)


def held(sim: Simulator, ref: str) -> str:
    with sim.editing() as pool:
        return contents(pool.db, ref)


def refused(xapi: Client, method: str, *params: object) -> list[str]:
    with pytest.raises(Refused) as caught:
        xapi(method, *params)
    return caught.value.details


def test_what_a_tpm_holds_is_in_no_record(sim: Simulator, xapi: Client) -> None:
    vm = xapi.vm(sim.add_vm("a", vtpm=STATE))
    record = xapi("VTPM.get_record", chip(xapi, vm))
    assert (record["VM"], record["is_unique"], record["persistence_backend"]) == (vm, False, "xapi")
    assert "contents" not in record
    assert refused(xapi, "VTPM.get_contents", chip(xapi, vm)) == ["MESSAGE_METHOD_UNKNOWN", "VTPM.get_contents"]
    assert held(sim, chip(xapi, vm)) == STATE


def test_a_snapshot_has_a_tpm_of_its_own_with_the_same_contents(sim: Simulator, xapi: Client) -> None:
    vm = xapi.vm(sim.add_vm("a", vtpm=STATE))
    secrets = sim.records("secret").keys()
    snap = xapi("VM.snapshot", vm, "s")
    assert chip(xapi, snap) != chip(xapi, vm)
    assert held(sim, chip(xapi, snap)) == STATE
    xapi("VM.destroy", snap)
    assert sim.records("secret").keys() == secrets
    assert len(sim.records("VTPM")) == 1


def test_an_archive_holds_a_tpm_with_its_contents_and_brings_it_back(sim: Simulator, xapi: Client) -> None:
    vm = xapi.vm(sim.add_vm("a", vtpm=STATE, power_state="Halted"))
    image = xapi.export(vm)[0].body
    given = read_archive(image).one("VTPM")
    assert given == {
        "vTPM'_VM": read_archive(image).one("VTPM")["vTPM'_VM"],
        "vTPM'_uuid": xapi("VTPM.get_uuid", chip(xapi, vm)),
        "vTPM'_is_unique": False,
        "vTPM'_is_protected": False,
        "vTPM'_content": STATE,
    }
    assert list(read_archive(image).all("VM")) == [given["vTPM'_VM"]]
    task = xapi.task()
    xapi.put("/import", image, session_id=xapi.session, task_id=task)
    assert xapi.wait(task)["status"] == "success"
    (made,) = [ref for ref in xapi("VM.get_by_name_label", "a") if ref != vm]
    assert held(sim, chip(xapi, made)) == STATE
    assert xapi("VTPM.get_uuid", chip(xapi, made)) != given["vTPM'_uuid"]


def test_a_halted_vm_gets_a_tpm_and_loses_it(sim: Simulator, xapi: Client) -> None:
    vm = xapi.vm(sim.add_vm("a", power_state="Halted"))
    unique = True
    made = xapi("VTPM.create", vm, unique)
    assert (chip(xapi, vm), xapi("VTPM.get_is_unique", made)) == (made, True)
    assert refused(xapi, "VTPM.create", vm, unique) == ["VTPM_MAX_AMOUNT_REACHED", "1"]
    xapi.start(vm)
    assert refused(xapi, "VTPM.destroy", made) == ["VM_BAD_POWER_STATE", vm, "halted", "running"]
    xapi("VM.hard_shutdown", vm)
    xapi("VTPM.destroy", made)
    assert xapi("VM.get_VTPMs", vm) == []


def test_a_tpm_that_never_held_anything_is_copied_and_exported_empty(sim: Simulator, xapi: Client) -> None:
    vm = xapi.vm(sim.add_vm("a"))
    with sim.editing() as pool:
        pool.db.create("VTPM", {"VM": vm})
    snap = xapi("VM.snapshot", vm, "s")
    assert held(sim, chip(xapi, snap)) == ""
    assert read_archive(xapi.export(snap)[0].body).one("VTPM")["vTPM'_content"] == ""
    xapi("VM.destroy", snap)
