"""The classes of the simulated pool: every field with its type, qualifier and default, read from `datamodel.txt`."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

NULL = "OpaqueRef:NULL"
EPOCH = "19700101T00:00:00Z"


@dataclass(frozen=True, slots=True)
class Type:
    """A wire type: `kind` is string, int, i4, float, bool, datetime, enum, ref, set, map, struct, void or record.

    `name` is the enumeration's or the class's, `items` the type of a set's items or a map's values, `keys` of its keys.
    """

    kind: str
    name: str = ""
    items: "Type | None" = None
    keys: "Type | None" = None


@dataclass(frozen=True, slots=True)
class Typed:
    """A value with a type of its own, where the declared one leaves it open: the members of an event."""

    value: object
    type: Type


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a class; `qualifier` is RW, C, RO or INTERNAL; `default` is None where the field is mandatory.

    An internal field stands in the database alone: no record shows it.
    """

    name: str
    type: Type
    qualifier: str
    default: object = None


@dataclass(frozen=True, slots=True)
class Model:
    """The classes (name → field name → field) and the words of each enumeration."""

    classes: Mapping[str, Mapping[str, Field]]
    enums: Mapping[str, tuple[str, ...]]


@cache
def parse_type(text: str) -> Type:
    """Read the data model's own notation: `VM ref set`, `string->enum vm_operations map`, `record VM`."""
    if text.endswith(" map"):
        keys, _, items = text.removesuffix(" map").partition("->")
        return Type("map", items=parse_type(items), keys=parse_type(keys))
    if text.endswith(" set"):
        return Type("set", items=parse_type(text.removesuffix(" set")))
    if text.endswith(" ref"):
        return Type("ref", name=text.removesuffix(" ref"))
    kind, _, name = text.partition(" ")
    return Type(kind, name=name)


_ZEROS: Mapping[str, object] = {
    "int": 0,
    "float": 0.0,
    "bool": False,
    "datetime": EPOCH,
    "ref": NULL,
    "set": [],
    "map": {},
}


def zero(kind: Type) -> object:
    """Give the value of a type that nothing was said about; copy it before it is changed."""
    return _ZEROS.get(kind.kind, "")


def _default(kind: Type, text: str) -> object:
    if not text:
        return zero(kind)
    if kind.kind in {"int", "float", "bool", "set", "map"}:
        return json.loads(text)
    return text


def _field(line: str) -> Field:
    name, _, rest = line.partition(": ")
    declared, equals, default = rest.partition(" =")
    kind, _, qualifier = declared.rpartition(" ")
    parsed = parse_type(kind)
    return Field(name, parsed, qualifier, _default(parsed, default.strip()) if equals else None)


def _read() -> Model:
    classes: dict[str, dict[str, Field]] = {}
    enums: dict[str, tuple[str, ...]] = {}
    fields: dict[str, Field] = {}
    for line in files(__package__).joinpath("datamodel.txt").read_text("utf-8").splitlines():
        if line.startswith("class "):
            fields = classes[line.removeprefix("class ")] = {}
        elif line.startswith("enum "):
            name, _, words = line.removeprefix("enum ").partition(": ")
            enums[name] = tuple(words.split(", "))
        elif line and not line.startswith("#"):
            field = _field(line)
            fields[field.name] = field
    return Model(classes, enums)


MODEL = _read()
