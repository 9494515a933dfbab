import pytest
from tests.core.simulator.client import Client, Refused

from vmbackup.simulator.calls.empty_classes import NAMES
from vmbackup.simulator.schema import MODEL


@pytest.mark.parametrize("cls", sorted(NAMES))
def test_a_class_without_objects_lists_nothing(xapi: Client, cls: str) -> None:
    assert cls not in MODEL.classes
    assert xapi(f"{cls}.get_all_records") == {}
    assert xapi(f"{cls}.get_all_records_where", "true") == {}
    assert xapi(f"{cls}.get_all") == []
    for call, code in (("get_record", "HANDLE_INVALID"), ("get_by_uuid", "UUID_INVALID")):
        with pytest.raises(Refused) as caught:
            xapi(f"{cls}.{call}", "nothing")
        assert caught.value.details == [code, cls, "nothing"]


def test_the_storage_managers_plugins_are_listed(xapi: Client) -> None:
    plugins = {record["type"]: record for record in xapi("SM.get_all_records").values()}
    assert plugins.keys() >= {record["type"] for record in xapi("SR.get_all_records").values()}
    assert "VDI_SNAPSHOT" in plugins["nfs"]["features"]
    assert "VDI_SNAPSHOT" not in plugins["iso"]["features"]
