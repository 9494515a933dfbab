import math
from xml.etree import ElementTree as ET

import pytest

from vmbackup.simulator import values
from vmbackup.simulator.errors import XapiError
from vmbackup.simulator.schema import parse_type


def decoded(element: str) -> object:
    return values.decode(ET.fromstring(element))  # noqa: S314  the elements stand below


@pytest.mark.parametrize(
    ("kind", "value", "written"),
    [
        ("string", "", "<value></value>"),
        ("string", 'a<b>&"\x07\tc', "<value>a&lt;b&gt;&amp;&quot;\tc</value>"),
        ("int", 123, "<value>123</value>"),
        ("bool", True, "<value><boolean>1</boolean></value>"),
        ("float", 1.0, "<value><double>1</double></value>"),
        ("float", 0.25, "<value><double>0.25</double></value>"),
        ("float", -1.0, "<value><double>-1</double></value>"),
        ("float", math.nan, "<value><double>nan</double></value>"),
        ("datetime", "20260826T09:15:00Z", "<value><dateTime.iso8601>20260826T09:15:00Z</dateTime.iso8601></value>"),
        ("string set", [], "<value><array><data></data></array></value>"),
        ("string set", ["a"], "<value><array><data><value>a</value></data></array></value>"),
        (
            "int->int map",
            {0: 1},
            "<value><struct><member><name>0</name><value>1</value></member></struct></value>",
        ),
        ("void", None, "<value></value>"),
    ],
)
def test_values_are_written_as_xapi_writes_them(kind: str, value: object, written: str) -> None:
    assert values.encode(value, parse_type(kind)) == written


@pytest.mark.parametrize(
    ("kind", "element", "value"),
    [
        ("string", "<value>x</value>", "x"),
        ("string", "<value><string>x</string></value>", "x"),
        ("int", "<value>7</value>", 7),
        ("int", "<value><i8>7</i8></value>", 7),
        ("float", "<value><int>2</int></value>", 2.0),
        ("float", "<value>0.5</value>", 0.5),
        ("bool", "<value><boolean>0</boolean></value>", False),
        ("datetime", "<value>20260826T09:15:00Z</value>", "20260826T09:15:00Z"),
        ("datetime", "<value><dateTime.iso8601>20260826T09:15:00</dateTime.iso8601></value>", "20260826T09:15:00Z"),
        ("enum vbd_mode", "<value>RO</value>", "RO"),
    ],
)
def test_values_are_taken_in_the_forms_that_xapi_takes(kind: str, element: str, value: object) -> None:
    taken = values.coerce(decoded(element), parse_type(kind))
    assert (taken, type(taken)) == (value, type(value)) or taken == value


@pytest.mark.parametrize(
    ("kind", "element"),
    [
        ("bool", "<value>true</value>"),
        ("bool", "<value><int>1</int></value>"),
        ("string", "<value><int>1</int></value>"),
        ("string", "<value><nil/></value>"),
        ("int", "<value>seven</value>"),
        ("int", "<value><double>7</double></value>"),
        ("int", "<value><boolean>1</boolean></value>"),
        ("string set", "<value>a</value>"),
        ("string->string map", "<value><array><data></data></array></value>"),
        (
            "string->string map",
            "<value><struct><member><name>a</name><value><int>1</int></value></member></struct></value>",
        ),
        ("enum vbd_mode", "<value>ro</value>"),
        ("datetime", "<value>yesterday</value>"),
    ],
)
def test_a_value_of_a_wrong_type_is_an_internal_error(kind: str, element: str) -> None:
    with pytest.raises(XapiError) as caught:
        values.coerce(decoded(element), parse_type(kind))
    assert caught.value.code == "INTERNAL_ERROR"


@pytest.mark.parametrize("element", ["<value><boolean>true</boolean></value>", "<value><float>1</float></value>"])
def test_what_is_no_xml_rpc_is_refused(element: str) -> None:
    with pytest.raises(ValueError, match="is no boolean" if "true" in element else "unknown type"):
        decoded(element)
