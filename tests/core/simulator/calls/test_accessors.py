import pytest
from tests.core.simulator.client import Client, Refused

from vmbackup.simulator import Simulator
from vmbackup.simulator.schema import MODEL

NOWHERE = "OpaqueRef:00000000-0000-4000-8000-000000000000"


def refused(xapi: Client, method: str, *params: object) -> list[str]:
    with pytest.raises(Refused) as caught:
        xapi(method, *params)
    return caught.value.details


@pytest.mark.parametrize("cls", sorted(set(MODEL.classes) - {"session"}))
def test_every_class_gives_its_records_with_every_field(sim: Simulator, xapi: Client, cls: str) -> None:
    sim.add_vm("a")
    records = xapi(f"{cls}.get_all_records")
    assert set(records) == set(xapi(f"{cls}.get_all")) == set(sim.records(cls))
    for ref, record in records.items():
        assert set(record) == set(MODEL.classes[cls])
        assert xapi(f"{cls}.get_by_uuid", record["uuid"]) == ref


def test_dead_refs_and_unknown_uuids_are_named_with_their_class(xapi: Client) -> None:
    assert refused(xapi, "VDI.get_record", NOWHERE) == ["HANDLE_INVALID", "VDI", NOWHERE]
    assert refused(xapi, "SR.get_name_label", NOWHERE) == ["HANDLE_INVALID", "SR", NOWHERE]
    assert refused(xapi, "VM.set_name_label", NOWHERE, "x") == ["HANDLE_INVALID", "VM", NOWHERE]
    assert refused(xapi, "host.get_by_uuid", "nobody") == ["UUID_INVALID", "host", "nobody"]


def test_names_are_not_unique_and_may_be_anything(sim: Simulator, xapi: Client) -> None:
    first, second = sim.add_vm("büro <1>"), sim.add_vm("büro <1>")
    found = xapi("VM.get_by_name_label", "büro <1>")
    assert {xapi("VM.get_uuid", ref) for ref in found} == {first, second}
    assert xapi("VM.get_by_name_label", "nobody") == []


def test_fields_are_set_where_the_data_model_lets_them(sim: Simulator, xapi: Client) -> None:
    vm = xapi.vm(sim.add_vm("a", tags=["one"]))
    xapi("VM.set_name_label", vm, "b")
    xapi("VM.set_tags", vm, ["two", "three"])
    xapi("VM.add_tags", vm, "three")
    xapi("VM.add_tags", vm, "four")
    xapi("VM.remove_tags", vm, "two")
    assert (xapi("VM.get_name_label", vm), xapi("VM.get_tags", vm)) == ("b", ["three", "four"])
    assert refused(xapi, "VM.set_power_state", vm, "Halted")[0] == "MESSAGE_METHOD_UNKNOWN"
    assert refused(xapi, "VM.set_uuid", vm, "x")[0] == "MESSAGE_METHOD_UNKNOWN"


def test_a_map_takes_each_key_once(sim: Simulator, xapi: Client) -> None:
    vm = xapi.vm(sim.add_vm("a", other_config={"k": "v"}))
    assert refused(xapi, "VM.add_to_other_config", vm, "k", "v") == ["MAP_DUPLICATE_KEY", "VM", "other_config", vm, "k"]
    xapi("VM.remove_from_other_config", vm, "absent")
    xapi("VM.remove_from_other_config", vm, "k")
    xapi("VM.add_to_other_config", vm, "k", "w")
    assert xapi("VM.get_other_config", vm)["k"] == "w"
    xapi("VM.set_other_config", vm, {"only": "this"})
    assert xapi("VM.get_other_config", vm) == {"only": "this"}


def test_a_disk_is_renamed_by_its_own_calls(sim: Simulator, xapi: Client) -> None:
    vdi = xapi("VDI.get_all")[0]
    xapi("VDI.set_name_label", vdi, "new")
    xapi("VDI.set_name_description", vdi, "text")
    record = xapi("VDI.get_record", vdi)
    assert (record["name_label"], record["name_description"]) == ("new", "text")
