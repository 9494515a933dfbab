import dataclasses
import inspect
import typing
from collections.abc import Iterator

import pluggy
import pytest
from pydantic import BaseModel

import vmbackup
from vmbackup import contracts, hookspecs

EXPORTED = {name: getattr(vmbackup, name) for name in vmbackup.__all__}
MOMENTS = {
    "vmbackup_register": [],
    "vmbackup_run_started": ["run"],
    "vmbackup_vm_started": ["run", "vm"],
    "vmbackup_backup_stored": ["run", "backup"],
    "vmbackup_vm_finished": ["run", "result"],
    "vmbackup_run_finished": ["report"],
}


def classes(hint: object) -> Iterator[type]:
    """The classes of ours in a type hint, however deep."""
    if isinstance(hint, type) and hint.__module__.startswith("vmbackup"):
        yield hint
    for inner in (typing.get_origin(hint), *typing.get_args(hint)):
        if inner is not None:
            yield from classes(inner)
    if isinstance(hint, list):
        for inner in hint:
            yield from classes(inner)


def hints(thing: object) -> Iterator[object]:
    """The type hints of a function, or of a class's public methods, properties and fields."""
    if not inspect.isclass(thing):
        yield from typing.get_type_hints(thing).values()
        return
    if dataclasses.is_dataclass(thing) or issubclass(thing, BaseModel):
        yield from typing.get_type_hints(thing).values()
    for name, member in vars(thing).items():
        function = member.fget if isinstance(member, property) else getattr(member, "__func__", member)
        if inspect.isfunction(function) and not name.startswith("_") and thing.__module__.startswith("vmbackup"):
            yield from typing.get_type_hints(function).values()


def reachable() -> set[type]:
    """Every class of ours that a plugin is given, or has to give, from the contracts and moments on."""
    waiting: list[object] = [*(getattr(hookspecs, moment) for moment in MOMENTS)]
    waiting += [
        thing for thing in vars(contracts).values() if inspect.isclass(thing) and thing.__module__ == contracts.__name__
    ]
    seen: set[type] = set()
    while waiting:
        for hint in hints(waiting.pop()):
            for found in classes(hint):
                if found not in seen:
                    seen.add(found)
                    waiting.append(found)
    return seen


def test_every_name_is_there_and_listed_once() -> None:
    assert len(EXPORTED) == len(vmbackup.__all__)
    here = vars(vmbackup).items()
    public = {name for name, value in here if not name.startswith("_") and not inspect.ismodule(value)}
    assert public == set(EXPORTED) - {"__version__"}


def test_the_names_are_in_the_order_of_a_style_guide() -> None:
    # Constants, then classes, then functions, each by the alphabet.
    def rank(name: str) -> tuple[int, str]:
        return (0 if name.isupper() else 1 if name[0].isupper() else 2, name)

    assert vmbackup.__all__ == sorted(vmbackup.__all__, key=rank)


def test_every_kind_of_plugin_is_there() -> None:
    kinds = {value.kind for value in EXPORTED.values() if hasattr(value, "kind")}
    assert kinds == {"method", "target", "compressor", "mirror", "reporter", "notifier"}


def test_all_that_a_plugin_is_given_or_gives_can_be_named() -> None:
    missing = reachable() - set(EXPORTED.values())
    assert sorted(found.__name__ for found in missing) == []


def test_every_error_that_a_contract_speaks_of_can_be_raised() -> None:
    spoken_of = {
        word.strip(".,;`()")
        for thing in vars(contracts).values()
        if inspect.isclass(thing) and thing.__module__ == contracts.__name__
        for member in (thing, *vars(thing).values())
        for word in (getattr(member, "__doc__", None) or "").split()
    }
    from_errors = {name for name, value in vars(vmbackup.errors).items() if inspect.isclass(value)}
    assert {"TargetError", "KeyExists", "KeyMissing", "KeyRefused", "ImageError", "PlanError"} <= spoken_of
    assert spoken_of & from_errors <= set(EXPORTED)


@pytest.mark.parametrize(("moment", "arguments"), MOMENTS.items())
def test_the_moments_and_their_arguments(moment: str, arguments: list[str]) -> None:
    hook = getattr(hookspecs, moment)
    assert list(inspect.signature(hook).parameters) == arguments
    assert inspect.getdoc(hook)


def test_there_is_no_other_moment() -> None:
    manager = pluggy.PluginManager("vmbackup")
    manager.add_hookspecs(hookspecs)
    assert {name for name in vars(manager.hook) if name.startswith("vmbackup_")} == set(MOMENTS)


def test_moments_return_nothing() -> None:
    returns = {moment: typing.get_type_hints(getattr(hookspecs, moment))["return"] for moment in MOMENTS}
    assert {moment for moment, kind in returns.items() if kind is not type(None)} == {"vmbackup_register"}
