"""The moments of a run at which commands of the site's own may be run, and the facts that each of them knows. Pure."""

import re
from collections.abc import Mapping, Sequence
from typing import Final, Literal

Moment = Literal[
    "run-started", "vm-started", "before-snapshot", "after-snapshot", "backup-stored", "vm-finished", "run-finished"
]
Fact = str | int | None

_RUN: Final = ("moment", "job", "run", "pool")
_VM: Final = (*_RUN, "vm", "uuid")
FACTS: Final[Mapping[Moment, Sequence[str]]] = {
    "run-started": _RUN,
    "vm-started": (*_VM, "power"),
    "before-snapshot": (*_VM, "power", "method"),
    "after-snapshot": (*_VM, "power", "method", "result"),
    "backup-stored": (*_VM, "method", "target", "folder", "path", "size"),
    "vm-finished": (*_VM, "method", "result", "message"),
    "run-finished": (*_RUN, "result", "good", "failed", "warnings"),
}
# `{vm}` stands for a fact, `{{vm}}` for itself; other braces, such as those of JSON, are nothing special.
_PLACEHOLDER: Final = re.compile(r"\{\{(?P<plain>\w+)\}\}|\{(?P<fact>\w+)\}")


def placeholders(words: Sequence[str]) -> set[str]:
    """Return the names of the facts that the words of a command ask for."""
    return {found["fact"] for word in words for found in _PLACEHOLDER.finditer(word) if found["fact"]}


def filled(words: Sequence[str], facts: Mapping[str, Fact]) -> list[str]:
    """Return the words of a command with the facts in their places.

    Raises ValueError where a fact is not known here, and where one that begins a word would be taken for an option:
    who may name a VM would else have a say in the command.
    """
    return [_filled(word, facts) for word in words]


def _filled(word: str, facts: Mapping[str, Fact]) -> str:
    def fact(found: re.Match[str]) -> str:
        if found["plain"]:
            return f"{{{found['plain']}}}"
        value = facts[found["fact"]]
        if value is None:
            raise ValueError(f"there is no {found[0]} here")
        return str(value)

    made = _PLACEHOLDER.sub(fact, word)
    if made.startswith("-") and not word.startswith("-"):
        raise ValueError(f"{word} would be {made!r}, which is an option")
    return made
