"""`ova.xml` as hostile input, and what restoring code learns from it."""

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.core.images.xva_writer import Disk, Machine, value

from vmbackup.errors import ImageError
from vmbackup.images import OvaVersion, read_ova

DISKS = [
    Disk(10, "uuid-10", b"x" * 10, userdevice="1"),
    Disk(9, "uuid-9", b"x" * 9, userdevice="0"),
    Disk(1, "cd", b"x", type="CD", userdevice="3"),
]
OVA = Machine(DISKS).ova()


def made(objects: list[dict[str, Any]]) -> bytes:
    return value({"version": {"export_vsn": 2}, "objects": objects}).encode()


NUMBERS = itertools.count(100)


def vbd(vdi: str, **more: object) -> dict[str, Any]:
    return {
        "class": "VBD",
        "id": f"Ref:{next(NUMBERS)}",
        "snapshot": {"VDI": vdi, "type": "Disk", **more},
    }


def vdi(ref: str, size: object, **more: object) -> dict[str, Any]:
    return {"class": "VDI", "id": ref, "snapshot": {"uuid": f"uuid-of-{ref}", "virtual_size": size, **more}}


def test_the_version() -> None:
    assert read_ova(OVA).version == OvaVersion(2, 1, 20, "XCP-ng", "8.2.1")
    assert read_ova(b"<value><struct><member><name>version</name><value><struct></struct></value></member>"
                    b"<member><name>objects</name><value><array><data></data></array></value></member>"
                    b"</struct></value>").version == OvaVersion(0, 0, 0, "", "")  # fmt: skip


def test_the_disks_in_the_order_of_their_vbds() -> None:
    disks = read_ova(OVA).disks
    assert [(disk.folder, disk.uuid, disk.virtual_size, disk.userdevice) for disk in disks] == [
        ("Ref:10", "uuid-10", 10, "1"),
        ("Ref:9", "uuid-9", 9, "0"),
    ]
    boot = disks[1]
    assert (boot.name, boot.vm, boot.sr, boot.sr_content_type) == ("disk 9", "Ref:1000", "Ref:5009", "user")
    assert (boot.device, boot.bootable, boot.mode) == ("xvda", True, "RW")


def test_the_objects_keep_their_records() -> None:
    ova = read_ova(OVA)
    (vm,) = ova.of_class("VM")
    assert vm.id == "Ref:1000"
    assert vm.record["name_label"] == "web01 <&>"
    assert vm.record["is_a_template"] is True
    assert vm.record["HVM_shadow_multiplier"] == 1.0
    assert vm.record["VBDs"] == ["Ref:3010", "Ref:3009", "Ref:3001"]
    assert (vm.text("VBDs"), vm.text("nonsense")) == ("", "")
    assert [found.cls for found in ova.objects] == ["VM", "VBD", "VBD", "VBD", "VDI", "SR", "VDI", "SR", "VDI", "SR"]


def test_what_is_not_there_is_null() -> None:
    assert read_ova(made([vbd("Ref:404"), vbd("OpaqueRef:NULL")])).disks == ()


def test_a_disk_of_two_vbds_is_one_disk() -> None:
    objects = [vbd("Ref:4"), vbd("Ref:4", userdevice="7"), vdi("Ref:4", 5)]
    assert [disk.folder for disk in read_ova(made(objects)).disks] == ["Ref:4"]


def test_the_memory_of_a_suspended_vm_is_a_disk() -> None:
    vm = {"class": "VM", "id": "Ref:0", "snapshot": {"suspend_VDI": "Ref:8"}}
    (disk,) = read_ova(made([vm, vdi("Ref:8", 77)])).disks
    assert (disk.folder, disk.virtual_size, disk.vm, disk.userdevice) == ("Ref:8", 77, "Ref:0", "")


def test_an_sr_that_is_not_described_is_no_iso_library() -> None:
    assert [disk.sr for disk in read_ova(made([vbd("Ref:4"), vdi("Ref:4", 5, SR="Ref:5")])).disks] == ["Ref:5"]


def test_white_space_and_a_prolog_do_no_harm() -> None:
    spaced = b'<?xml version="1.0"?>\n' + OVA.replace(b"><struct>", b">\n <struct>\n").replace(
        b"</member>", b"</member>\n"
    )
    assert read_ova(spaced) == read_ova(OVA)


@pytest.mark.parametrize("size", ["", "-5", "1.5", "0x10", "1e3", " 5", "٣", "9" * 19, True, 1.0, [], {"a": 1}, None])
def test_a_virtual_size_must_be_a_number(size: object) -> None:
    with pytest.raises(ImageError, match="the virtual_size of Ref:4 is"):
        read_ova(made([vbd("Ref:4"), vdi("Ref:4", size)]))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no element found"),
        (b"\xffx", "not well-formed"),
        (OVA[:-1], "unclosed token"),
        (OVA[:-8], "no element found"),
        (OVA + b"x", "junk after document element"),
        (OVA + OVA, "junk after document element"),
        (OVA.replace(b"web01", b"web\xff1"), "not well-formed"),
        (OVA.replace(b"web01", b"web\x001"), "not well-formed"),
        (OVA.replace(b"web01", b"&web;"), "undefined entity"),
        (b"<value>text</value>", "it is no struct"),
        (b"<struct></struct>", "<struct> inside <>"),
        (b"<value><struct></struct><struct></struct></value>", "two values in one"),
        (b"<value>a<struct></struct></value>", "text between elements"),
        (b"<value><struct><value></value></struct></value>", "<value> inside <struct>"),
        (b"<value><struct><member><name>a</name></member></struct></value>", "not a name and a value"),
        (b"<value><struct><member><value>a</value><name>a</name></member></struct></value>", "not a name and a value"),
        (b"<value><array></array></value>", "not one <data>"),
        (b"<value><base64></base64></value>", "<base64> inside <value>"),
        (b"<value><boolean>2</boolean></value>", "neither 0 nor 1"),
        (b"<value><int>many</int></value>", "invalid literal"),
        (b"<value><int>" + b"9" * 5000 + b"</int></value>", "<int>"),
        (b"<value><double>x</double></value>", "could not convert"),
        (value({"objects": []}).encode(), "version is no struct"),
        (value({"version": {}}).encode(), "objects is no array"),
        (value({"version": {"export_vsn": "two"}, "objects": []}).encode(), "export_vsn is 'two', not a number"),
        (value({"version": {}, "objects": ["x"]}).encode(), "an object is no struct"),
        (made([{"class": "VM", "snapshot": {}}]), "the id of an object is None"),
        (made([{"class": "VM", "id": "Ref:\x9b1", "snapshot": {}}]), "the id of an object is 'Ref:\\x9b1'"),
        (made([{"class": ["VM"], "id": "Ref:1", "snapshot": {}}]), "the class of an object is ['VM']"),
        (made([vbd("Ref:4"), vdi("Ref:4", 1, uuid="a b")]), "the uuid of Ref:4 is 'a b'"),
        (made([{"class": "VM", "id": "Ref:1", "snapshot": "x"}]), "the record of Ref:1 is no struct"),
        (made([vdi("Ref:4", 1), vdi("Ref:4", 2)]), "two objects have the id Ref:4"),
        (OVA.replace(b"<name>uuid</name>", b"<name>virtual_size</name>"), "two members 'virtual_size'"),
    ],
)
def test_malformed_descriptions_are_refused(data: bytes, message: str) -> None:
    with pytest.raises(ImageError) as caught:
        read_ova(data)
    assert caught.value.message.startswith("ova.xml is damaged: ")
    assert message in caught.value.message


def test_the_position_counts_from_where_ova_xml_begins() -> None:
    with pytest.raises(ImageError) as caught:
        read_ova(b"<value><nonsense/></value>", 512)
    assert caught.value.position == 512 + len("<value>")


def test_every_type_of_xml_rpc_is_read() -> None:
    text = (
        b"<string>a</string>", b"<i4>-4</i4>", b"<i8>8</i8>", b"<int>1</int>", b"<double>0.5</double>",
        b"<boolean>0</boolean>", b"<dateTime.iso8601>19700101T00:00:00Z</dateTime.iso8601>", b"<nil/>", b"", b"5",
    )  # fmt: skip
    array = (
        b"<value><array><data>"
        + b"".join(b"<value>" + each + b"</value>" for each in text)
        + b"</data></array></value>"
    )
    ova = made([{"class": "VM", "id": "Ref:1", "snapshot": {"all": "HERE"}}]).replace(b"<value>HERE</value>", array)
    assert read_ova(ova).objects[0].record["all"] == [
        "a", -4, 8, 1, 0.5, False, "19700101T00:00:00Z", None, "", "5",
    ]  # fmt: skip


def test_a_billion_laughs_are_refused_at_the_first() -> None:
    laughs = b"".join(b'<!ENTITY l%d "%s">' % (at, b"&l%d;" % (at - 1) * 10) for at in range(1, 10))
    with pytest.raises(ImageError, match="declares a document type"):
        read_ova(b'<!DOCTYPE v [<!ENTITY l0 "ha">' + laughs + b"]><value>&l9;</value>")
    with pytest.raises(ImageError, match="declares a document type"):
        read_ova(b'<!DOCTYPE v SYSTEM "file:///etc/passwd"><value></value>')


def test_depth_is_bounded() -> None:
    with pytest.raises(ImageError, match="nested deeper than 100"):
        read_ova(b"<value><array><data>" * 100_000)


def test_numbers_of_values_are_bounded() -> None:
    with pytest.raises(ImageError, match="more than 1,000,000 values"):
        read_ova(b"<value><array><data>" + b"<value/>" * 2_000_000)


@settings(deadline=None, max_examples=300)
@given(st.integers(0, len(OVA)), st.integers(0, 30), st.binary(max_size=30))
def test_damage_never_crashes(place: int, length: int, damage: bytes) -> None:
    damaged = OVA[:place] + damage + OVA[place + length :]
    try:
        ova = read_ova(damaged)
    except ImageError:
        return
    assert all(disk.virtual_size >= 0 for disk in ova.disks)


THINGS = st.recursive(
    st.one_of(st.text(st.characters(codec="ascii", min_codepoint=32)), st.booleans(), st.just("Ref:1")),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(
                ["version", "objects", "class", "id", "snapshot", "VDI", "virtual_size", "type", "suspend_VDI"]
            ),
            inner,
            max_size=5,
        ),
    ),
    max_leaves=12,
)


@settings(deadline=None, max_examples=200)
@given(
    st.lists(
        st.one_of(
            THINGS,
            st.fixed_dictionaries(
                {
                    "class": st.sampled_from(["VM", "VBD", "VDI", "SR"]),
                    "id": st.text("R123", max_size=2),
                    "snapshot": THINGS,
                }
            ),
        ),
        max_size=4,
    )
)
def test_records_of_any_shape_never_crash(objects: list[Any]) -> None:
    try:
        read_ova(made(objects))
    except ImageError as error:
        assert error.message.startswith("ova.xml is damaged: ")  # noqa: PT017 - both ends are legal
