import pytest

from vmbackup.simulator import manuscript
from vmbackup.simulator.errors import XapiError
from vmbackup.simulator.values import struct

HOST = (24, 19)
VERSION = {"export_vsn": "2", "xapi_major": "24", "xapi_minor": "19"}


def value(members: dict[str, str]) -> str:
    return f"<value>{struct({name: f'<value>{text}</value>' for name, text in members.items()})}</value>"


def document(version: dict[str, str] | None = None, objects: str = "") -> bytes:
    members = {
        "version": value(VERSION | (version or {})),
        "objects": f"<value><array><data>{objects}</data></array></value>",
    }
    return f"<value>{struct(members)}</value>".encode()


def member(cls: str, snapshot: str) -> str:
    fields = {"class": f"<value>{cls}</value>", "id": "<value>Ref:1</value>", "snapshot": snapshot}
    return f"<value>{struct(fields)}</value>"


CHIP = {"vTPM'_VM": "Ref:0", "vTPM'_uuid": "u", "vTPM'_content": "c2VjcmV0"}
FLAGS = dict.fromkeys(("vTPM'_is_unique", "vTPM'_is_protected"), "<value><boolean>0</boolean></value>")


def chip(*left_out: str) -> str:
    members = {name: f"<value>{text}</value>" for name, text in CHIP.items()} | FLAGS
    return f"<value>{struct({name: text for name, text in members.items() if name not in left_out})}</value>"


def test_objects_are_found_by_class_and_name_and_unknown_classes_left_alone() -> None:
    found = manuscript.read(document(objects=member("VTPM", chip()) + member("PVS_site", value({}))), HOST)
    expected = {"VM": "Ref:0", "uuid": "u", "is_unique": False, "is_protected": False, "content": "c2VjcmV0"}
    assert found.get("VTPM", "Ref:1") == expected
    assert found.all("PVS_site") == {}
    with pytest.raises(XapiError) as caught:
        found.get("VM", "Ref:1")
    assert caught.value.description == ["IMPORT_ERROR_FAILED_TO_FIND_OBJECT", "Ref:1"]


@pytest.mark.parametrize(
    ("text", "description"),
    [
        (b"<value>text</value>", ["IMPORT_ERROR", "ova.xml is no struct"]),
        (b"<other/>", ["IMPORT_ERROR", "ova.xml: <other> where <value> is due"]),
        (f"<value>{struct({})}</value>".encode(), ["IMPORT_ERROR", "ova.xml: version is missing"]),
        (document({"export_vsn": "1"}), ["IMPORT_ERROR", "export_vsn is not 2"]),
        (document({"xapi_major": "new"}), ["IMPORT_ERROR", "ova.xml: xapi_major is no number"]),
        (document({"xapi_minor": "20"}), ["IMPORT_INCOMPATIBLE_VERSION"]),
        (
            document(objects=member("VTPM", chip("vTPM'_content"))),
            ["INTERNAL_ERROR", "Failure: Field vTPM'_content not present in rpc"],
        ),
        (document(objects=member("VM", value({}))), ["INTERNAL_ERROR", "Failure: Field uuid not present in rpc"]),
    ],
)
def test_a_document_that_cannot_be_read_says_why(text: bytes, description: list[str]) -> None:
    with pytest.raises(XapiError) as caught:
        manuscript.read(text, HOST)
    assert caught.value.description == description
