"""Rules written down: in a TOML file, or as one JSON object at run time."""

import difflib
import tomllib
import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Literal, Union, cast, get_args, get_origin, get_type_hints

from vmbackup.simulator.faults import answers, bodies, calls, outages
from vmbackup.simulator.faults.register import Rule

_ABSTRACT = {"RpcRule", "CallRule", "RequestRule", "PathRule", "BodyRule", "PlaceRule", "BlockRule", "AnswerRule"}
_FROM_PYTHON_ONLY = {"CallHook", "BodyHook", "BodyTap"}
KINDS: Mapping[str, type[Rule]] = {
    name: kind
    for module in (answers, bodies, calls, outages)
    for name, kind in vars(module).items()
    if isinstance(kind, type) and kind.__module__ == module.__name__ and name not in _ABSTRACT | _FROM_PYTHON_ONLY
}
_NOTHING = {"nth": "every", "seconds": "for ever"}  # how None is written where there is no such word


class RuleError(ValueError):
    """A rule that cannot be read; the message says where and why."""


def load_rules(path: Path) -> list[Rule]:
    """Read the tables `[[fault]]` of a file: `kind` is the name of a rule, the rest its arguments.

    `nth = "every"` and `seconds = "for ever"` stand for None. Raises RuleError, and OSError.
    """
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except ValueError as error:  # no TOML, or no UTF-8
        raise RuleError(f"{path}: {error}") from None
    tables = document.pop("fault", [])
    if document:
        raise RuleError(f"{path}: unknown key {next(iter(document))!r}; rules are tables [[fault]]")
    if not isinstance(tables, list):
        raise RuleError(f"{path}: rules are written [[fault]], with two brackets")
    rules = []
    for number, table in enumerate(tables, 1):
        try:
            rules.append(parse_rule(table))
        except RuleError as error:
            raise RuleError(f"{path}: fault {number}: {error}") from None
    return rules


def parse_rule(table: object) -> Rule:
    """Read one rule: its `kind` and its arguments. Raises RuleError."""
    if not isinstance(table, dict):
        raise RuleError("a rule is a table")
    name = table.get("kind")
    if not isinstance(name, str):
        raise RuleError("kind is missing")
    if name in _FROM_PYTHON_ONLY:
        raise RuleError(f"{name} calls a function and can be used from Python only")
    if name not in KINDS:
        raise RuleError(f"unknown kind {name!r}{_nearest(name, KINDS)}")
    kind = KINDS[name]
    hints = get_type_hints(kind)
    given = {key: value for key, value in table.items() if key != "kind"}
    for key in given:
        if key not in hints:
            raise RuleError(f"{name} has no argument {key!r}{_nearest(str(key), hints)}")
    missing = [one.name for one in fields(kind) if one.default is MISSING and one.name not in given]
    if missing:
        raise RuleError(f"{name} needs {', '.join(missing)}")
    make = cast("Callable[..., Rule]", kind)
    return make(**{key: _value(hints[key], key, value) for key, value in given.items()})


def describe(rule: Rule) -> dict[str, object]:
    """Write a rule as `parse_rule` reads it; a function among its arguments as its name."""
    values = {one.name: getattr(rule, one.name) for one in fields(rule)}
    written = {
        key: _NOTHING.get(key) if value is None else str(value) if callable(value) else value
        for key, value in values.items()
    }
    return {"kind": type(rule).__name__, **written}


def _nearest(name: str, known: Mapping[str, object]) -> str:
    close = difflib.get_close_matches(name, known, 1)
    return f"; is {close[0]} meant?" if close else ""


def _value(hint: object, key: str, value: object) -> object:
    if get_origin(hint) in {types.UnionType, Union}:
        if value is None or value == _NOTHING.get(key):
            return None
        hint = next(one for one in get_args(hint) if one is not types.NoneType)
    if get_origin(hint) is Literal:
        if value not in get_args(hint):
            raise RuleError(f"{key} is one of {', '.join(get_args(hint))}, not {value!r}")
        return value
    if get_origin(hint) is tuple:
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise RuleError(f"{key} is a list of strings, not {value!r}")
        return tuple(value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not hint:
        raise RuleError(f"{key} is of type {getattr(hint, '__name__', hint)}, not {value!r}")
    return value
