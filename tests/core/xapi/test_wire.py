"""XAPI's values as they come: integers as text, dates with a Z, fields that a version does not have."""

from datetime import UTC, datetime
from xmlrpc.client import DateTime, loads

import pytest

from vmbackup.errors import TransferError
from vmbackup.xapi.wire import flag, mapping, moment, number, table, text, texts


def test_fields_that_this_version_does_not_have() -> None:
    assert text({}, "x") == ""
    assert number({}, "x") == 0
    assert flag({}, "x") is False
    assert texts({}, "x") == ()
    assert mapping({}, "x") == {}
    assert moment({}, "x") == datetime(1970, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(("value", "expected"), [("0", 0), ("-1", -1), ("9223372036854775807", 2**63 - 1), (7, 7)])
def test_integers_come_as_text(value: object, expected: int) -> None:
    assert number({"x": value}, "x") == expected


def test_texts_and_maps() -> None:
    assert texts({"x": ["a", "b"]}, "x") == ("a", "b")
    assert mapping({"x": {"a": "b", "c": 1}}, "x") == {"a": "b", "c": "1"}


@pytest.mark.parametrize(
    "value", ["20260826T09:15:00Z", "20260826T09:15:00", "2026-08-26T09:15:00Z", DateTime("20260826T09:15:00Z")]
)
def test_dates_end_with_a_z(value: object) -> None:
    assert moment({"x": value}, "x") == datetime(2026, 8, 26, 9, 15, tzinfo=UTC)


def test_a_date_as_the_wire_has_it() -> None:
    ((value,), _) = loads(
        "<methodResponse><params><param><value><dateTime.iso8601>20260826T09:15:00Z</dateTime.iso8601></value></param>"
        "</params></methodResponse>"
    )
    assert moment({"x": value}, "x") == datetime(2026, 8, 26, 9, 15, tzinfo=UTC)


def test_a_table_is_a_map_of_records() -> None:
    assert table({"OpaqueRef:a": {"uuid": "a"}}) == {"OpaqueRef:a": {"uuid": "a"}}
    assert table({}) == {}


@pytest.mark.parametrize(
    ("read", "value"),
    [
        (text, 1),
        (text, ["a"]),
        (number, "seven"),
        (number, ""),
        (number, "1.5"),
        (number, None),
        (flag, "true"),
        (flag, 1),
        (texts, "a"),
        (texts, [1]),
        (mapping, []),
        (moment, "yesterday"),
        (moment, 7),
    ],
)
def test_what_makes_no_sense_names_the_field(read: object, value: object) -> None:
    assert callable(read)
    with pytest.raises(TransferError, match="makes no sense: the_field is "):
        read({"the_field": value}, "the_field")


@pytest.mark.parametrize("value", [[], "x", {"OpaqueRef:a": "x"}])
def test_what_is_no_table(value: object) -> None:
    with pytest.raises(TransferError, match="makes no sense: get_all_records"):
        table(value)


def test_a_long_value_is_not_told_whole() -> None:
    with pytest.raises(TransferError) as caught:
        text({"x": ["a" * 10_000]}, "x")
    assert len(caught.value.message) < 200
