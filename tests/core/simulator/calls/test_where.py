import pytest
from tests.core.simulator.client import Client, Refused

from vmbackup.simulator import DiskSpec, Simulator


def names(xapi: Client, expression: str) -> set[str]:
    return {record["name_label"] for record in xapi("VM.get_all_records_where", expression).values()}


def test_records_are_found_by_the_databases_columns(sim: Simulator, xapi: Client) -> None:
    vm = xapi.vm(sim.add_vm("web", memory=1 << 30, tags=["PROD"]))
    sim.add_vm("db", memory=1 << 31)
    snapshot = xapi("VM.snapshot", vm, "a snapshot")
    assert names(xapi, 'field "name__label" = "web"') == {"web"}
    assert names(xapi, f'field "memory__static_max" = "{1 << 31}"') == {"db"}
    mine = f'field "is_a_snapshot" = "true" and field "snapshot_of" = "{vm}"'
    assert xapi("VM.get_all_records_where", mine) == {snapshot: xapi("VM.get_record", snapshot)}
    kinds = " or ".join(f'field "{name}" = "true"' for name in ("is_a_template", "is_control_domain", "is_a_snapshot"))
    assert names(xapi, f"not ({kinds})") == {"web", "db"}
    assert xapi("VM.get_all_records_where", "true") == xapi("VM.get_all_records")


def test_other_classes_and_mistakes(sim: Simulator, xapi: Client) -> None:
    sim.add_vm("web", [DiskSpec(4096, name="the disk")])
    (disk,) = xapi("VDI.get_all_records_where", 'field "name__label" = "the disk"').values()
    assert disk["virtual_size"] == "4096"
    for expression, code in (("nonsense", "INVALID_VALUE"), ('field "name_label" = "x"', "INTERNAL_ERROR")):
        with pytest.raises(Refused) as caught:
            xapi("VDI.get_all_records_where", expression)
        assert caught.value.details[0] == code
