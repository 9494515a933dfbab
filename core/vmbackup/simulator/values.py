"""XML-RPC as xapi writes and reads it (ocaml-rpc, xmlrpc.ml): untyped integers, dates with a Z, no white space."""

import re
from collections.abc import Callable, Iterable, Mapping
from xml.etree import ElementTree as ET

from vmbackup.simulator.errors import XapiError, internal_error
from vmbackup.simulator.schema import MODEL, Type, Typed

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")


class Date(str):
    """A `<dateTime.iso8601>` of a request, told apart from a string."""

    __slots__ = ()


_TYPE_NAMES: Mapping[type, str] = {
    str: "string",
    int: "int",
    float: "float",
    bool: "bool",
    list: "set",
    dict: "map",
    Date: "datetime",
}


def escape(text: str) -> str:
    """Escape `< > & "` and drop the control characters, as the server does on output."""
    text = _CONTROL.sub("", text)
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")


def encode(value: object, kind: Type) -> str:
    """Write a value of a declared type as one `<value>`."""
    match value:
        case Typed():
            return encode(value.value, value.type)
        case bool():
            inner = f"<boolean>{int(value)}</boolean>"
        case float():
            inner = f"<double>{value:.16g}</double>"
        case int() if kind.kind == "i4":
            inner = f"<i4>{value}</i4>"
        case list():
            inner = _array(encode(item, kind.items or kind) for item in value)
        case dict() if kind.kind == "record":
            fields = MODEL.classes[kind.name]
            inner = struct({name: encode(item, fields[name].type) for name, item in value.items()})
        case dict():
            inner = struct({str(key): encode(item, kind.items or kind) for key, item in value.items()})
        case _ if kind.kind == "datetime":
            inner = f"<dateTime.iso8601>{value}</dateTime.iso8601>"
        case _:
            inner = "" if value is None else escape(str(value))
    return f"<value>{inner}</value>"


def _array(items: Iterable[str]) -> str:
    return f"<array><data>{''.join(items)}</data></array>"


def struct(members: Mapping[str, str]) -> str:
    """Write a struct of members that are encoded already."""
    inside = "".join(f"<member><name>{escape(name)}</name>{item}</member>" for name, item in members.items())
    return f"<struct>{inside}</struct>"


def _boolean(text: str) -> bool:
    if text not in {"0", "1"}:
        raise ValueError(f"{text!r} is no boolean")
    return text == "1"


_SCALARS: Mapping[str, Callable[[str], object]] = {
    "string": str,
    "int": int,
    "i4": int,
    "i8": int,
    "double": float,
    "boolean": _boolean,
    "dateTime.iso8601": Date,
    "nil": lambda _: None,
}


def decode(element: ET.Element) -> object:
    """Read one `<value>`; an untyped one is a string, which is how the server itself writes integers.

    Raises ValueError for what is no XML-RPC.
    """
    if element.tag != "value":
        raise ValueError(f"<{element.tag}> where <value> is due")
    if not len(element):
        return element.text or ""
    inner = element[0]
    if inner.tag == "array":
        return [decode(item) for item in inner.iterfind("data/value")]
    if inner.tag == "struct":
        return {member.findtext("name", ""): decode(_member_value(member)) for member in inner.iterfind("member")}
    if inner.tag not in _SCALARS:
        raise ValueError(f"unknown type <{inner.tag}>")
    return _SCALARS[inner.tag](inner.text or "")


def _member_value(member: ET.Element) -> ET.Element:
    found = member.find("value")
    if found is None:
        raise ValueError("a struct's member without a value")
    return found


def coerce(value: object, kind: Type) -> object:
    """Take a request's value for a declared type, as strictly as the generated server code.

    Raises XapiError (`INTERNAL_ERROR`) where the real server's unmarshalling throws: it never guesses.
    """
    if kind.kind == "set" and kind.items and isinstance(value, list):
        return [coerce(item, kind.items) for item in value]
    if kind.kind == "map" and kind.items and kind.keys and isinstance(value, dict):
        return {coerce(key, kind.keys): coerce(item, kind.items) for key, item in value.items()}
    if kind.kind in _NUMBERS:
        return _number(value, kind)
    if kind.kind == "datetime" and isinstance(value, str):
        return _date(value)
    if not _fits(value, kind):
        raise _mismatch(value, kind)
    return value


_NUMBERS: Mapping[str, tuple[type, str]] = {"int": (int, "Int64.of_string"), "float": (float, "float_of_string")}


def _number(value: object, kind: Type) -> object:
    make, function = _NUMBERS[kind.kind]
    if isinstance(value, bool | Date) or not isinstance(value, str | int | make):
        raise _mismatch(value, kind)
    try:
        return make(value)
    except ValueError:
        raise internal_error(f'Failure("{function}")') from None


def _date(text: str) -> str:
    plain = text.replace("-", "")
    if not re.fullmatch(r"\d{8}T\d\d:\d\d:\d\dZ?", plain):
        raise internal_error(f'Invalid_argument("date_of_iso8601: {text}")')
    return plain.removesuffix("Z") + "Z"


def _fits(value: object, kind: Type) -> bool:
    match kind.kind:
        case "bool":
            return isinstance(value, bool)
        case "record":
            return isinstance(value, dict)
        case "string" | "ref" | "enum":
            known = MODEL.enums.get(kind.name) if kind.kind == "enum" else None
            return isinstance(value, str) and not isinstance(value, Date) and (known is None or value in known)
    return False


def _mismatch(value: object, kind: Type) -> XapiError:
    seen = f"{_TYPE_NAMES.get(type(value), 'nil')} {value!r}"
    return internal_error(f"Rpc.Runtime_error(\"Expected value of type '{kind.name or kind.kind}'\", {seen})")


def success(value: str) -> str:
    """Write the body of a call that worked; `value` is encoded already."""
    return _response(struct({"Status": "<value>Success</value>", "Value": value}))


def failure(error: XapiError) -> str:
    """Write the body of a call that was refused: HTTP 200 all the same."""
    words = _array(f"<value>{escape(word)}</value>" for word in error.description)
    return _response(struct({"Status": "<value>Failure</value>", "ErrorDescription": f"<value>{words}</value>"}))


def bare(value: str) -> str:
    """Write a result without the envelope of Status and Value: `system.listMethods`."""
    return f'<?xml version="1.0"?><methodResponse><params><param>{value}</param></params></methodResponse>'


def _response(inner: str) -> str:
    return bare(f"<value>{inner}</value>")


def parse_call(body: bytes) -> tuple[str, list[object]]:
    """Read a `methodCall`: its name and parameters. Raises ValueError for what is none."""
    try:
        call = ET.fromstring(body.decode())  # noqa: S314  a body of at most 300 KiB from a test or demo on loopback
    except ET.ParseError as error:
        raise ValueError(str(error)) from None
    if call.tag != "methodCall":
        raise ValueError(f"<{call.tag}> where <methodCall> is due")
    return call.findtext("methodName", "").strip(), [decode(value) for value in call.iterfind("params/param/value")]
