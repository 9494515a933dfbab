"""One XML-RPC value, read as hostile input: no document type, bounded depth and number (rpc: xmlrpc.ml)."""

from collections.abc import Callable, Mapping
from typing import Final
from xml.parsers import expat

MAX_DEPTH: Final = 100
MAX_VALUES: Final = 1_000_000

_INSIDE: Mapping[str, frozenset[str]] = {
    "": frozenset({"value"}),
    "value": frozenset(
        {"struct", "array", "string", "int", "i4", "i8", "boolean", "double", "dateTime.iso8601", "nil"}
    ),
    "struct": frozenset({"member"}),
    "member": frozenset({"name", "value"}),
    "array": frozenset({"data"}),
    "data": frozenset({"value"}),
}


class BadValue(ValueError):
    """The bytes are not one XML-RPC value; `offset` is where that was seen."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.offset = offset


def read_value(data: bytes) -> object:
    """Return the value as str, int, float, bool, None, list or dict. Dates, and what has no type, stay text."""
    return _Reader().read(data)


class _Element:
    __slots__ = ("children", "tag", "text")

    def __init__(self, tag: str) -> None:
        self.tag = tag
        self.text: list[str] = []
        self.children: list[tuple[str, object]] = []


class _Reader:
    """Builds the value while expat tells of the elements."""

    def __init__(self) -> None:
        self._open = [_Element("")]
        self._values = 0
        self._parser = parser = expat.ParserCreate("UTF-8")
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = self._doctype
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters

    def read(self, data: bytes) -> object:
        try:
            self._parser.Parse(data, True)  # noqa: FBT003 - expat takes it by position only
        except expat.ExpatError as error:
            raise self._bad(expat.ErrorString(error.code)) from None
        return self._open[0].children[0][1]

    def _bad(self, message: str) -> BadValue:
        return BadValue(message, max(self._parser.ErrorByteIndex, 0))

    def _doctype(self, *_declaration: object) -> None:
        raise self._bad("it declares a document type")

    def _start(self, tag: str, _attributes: Mapping[str, str]) -> None:
        if tag not in _INSIDE.get(self._open[-1].tag, ()):
            raise self._bad(f"<{tag[:40]}> inside <{self._open[-1].tag}>")
        if len(self._open) > MAX_DEPTH:
            raise self._bad(f"its elements are nested deeper than {MAX_DEPTH}")
        self._values += tag == "value"
        if self._values > MAX_VALUES:
            raise self._bad(f"it has more than {MAX_VALUES:,} values")
        self._open.append(_Element(tag))

    def _characters(self, text: str) -> None:
        self._open[-1].text.append(text)

    def _end(self, tag: str) -> None:
        element = self._open.pop()
        try:
            made = _MAKERS[tag](element)
        except ValueError as error:
            raise self._bad(f"<{tag}>: {error}") from None
        self._open[-1].children.append((tag, made))


def _text(element: _Element) -> str:
    return "".join(element.text)


def _blank(element: _Element) -> None:
    if _text(element).strip():
        raise ValueError("text between elements")


def _value(element: _Element) -> object:
    if not element.children:
        return _text(element)
    _blank(element)
    if len(element.children) > 1:
        raise ValueError("two values in one")
    return element.children[0][1]


def _struct(element: _Element) -> dict[str, object]:
    _blank(element)
    fields: dict[str, object] = {}
    for _, member in element.children:
        assert isinstance(member, tuple)  # noqa: S101 - what _member returns
        name, value = member
        if name in fields:
            raise ValueError(f"two members {name[:80]!r}")
        fields[name] = value
    return fields


def _member(element: _Element) -> tuple[object, object]:
    _blank(element)
    if [tag for tag, _ in element.children] != ["name", "value"]:
        raise ValueError("not a name and a value")
    return element.children[0][1], element.children[1][1]


def _array(element: _Element) -> object:
    _blank(element)
    if len(element.children) != 1:
        raise ValueError("not one <data>")
    return element.children[0][1]


def _data(element: _Element) -> list[object]:
    _blank(element)
    return [value for _, value in element.children]


def _boolean(element: _Element) -> bool:
    text = _text(element)
    if text not in {"0", "1"}:
        raise ValueError(f"{text[:40]!r} is neither 0 nor 1")
    return text == "1"


def _integer(element: _Element) -> int:
    return int(_text(element))


_MAKERS: Mapping[str, Callable[[_Element], object]] = {
    "value": _value,
    "struct": _struct,
    "member": _member,
    "name": _text,
    "array": _array,
    "data": _data,
    "string": _text,
    "dateTime.iso8601": _text,
    "int": _integer,
    "i4": _integer,
    "i8": _integer,
    "boolean": _boolean,
    "double": lambda element: float(_text(element)),
    "nil": lambda _element: None,
}
