"""Which entry of a job takes which VM: pure, and the same whatever the order of entries and VMs.

`uuid:` beats `name:` or plain equality, which beats `tag:`, which beats a glob or `/regex/`; of two wildcards the one
with more literal characters; a tie is an error. Excludes always win.
"""

import fnmatch
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from vmbackup.models import VM

# What stands for something else: escapes, sets, counts and signs of a regular expression; sets and signs of a glob.
IN_REGEX: Final = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\{[0-9,]*\}|[*?.^$+()|]", re.DOTALL)
IN_GLOB: Final = re.compile(r"\[!?\]?[^\]]*\]|[*?]")


class Rank(IntEnum):
    """How precisely a pattern names a VM; the higher beats the lower."""

    WILDCARD = 1
    TAG = 2
    NAME = 3
    UUID = 4


@dataclass(frozen=True, slots=True)
class Pattern:
    """One `match` of the configuration."""

    text: str

    @property
    def rank(self) -> Rank:
        """How precisely it names VMs."""
        if self.text.startswith("uuid:"):
            return Rank.UUID
        if self.text.startswith("tag:"):
            return Rank.TAG
        return Rank.WILDCARD if self._is_regex or self._is_glob else Rank.NAME

    @property
    def literals(self) -> int:
        """How many characters of it stand for themselves."""
        if self._is_regex:
            return len(IN_REGEX.sub(_escaped, self.text[1:-1]))
        return len(IN_GLOB.sub("", self.text))

    @property
    def literal(self) -> bool:
        """Whether the user named one VM, which must then exist."""
        return self.rank in {Rank.NAME, Rank.UUID}

    def problem(self) -> str | None:
        """Say what is wrong with the pattern itself, if anything."""
        if self._is_regex:
            try:
                re.compile(self.text[1:-1])
            except (re.error, OverflowError, RecursionError) as error:
                return f"{self.text} is not a regular expression: {error}"
        return None

    def matches(self, vm: VM) -> bool:
        """Whether it names `vm`. A glob and a regular expression must match the whole name, in the same case."""
        kind, _, value = self.text.partition(":")
        match (self.rank, kind):
            case (Rank.UUID, _):
                return vm.uuid.lower() == value.lower()
            case (Rank.TAG, _):
                return value in vm.tags
            case (Rank.NAME, "name"):
                return vm.name in {value, self.text}
            case (Rank.NAME, _):
                return vm.name == self.text
            case _ if self._is_regex:
                return re.fullmatch(self.text[1:-1], vm.name) is not None
            case _:
                # A VM whose name happens to hold a wildcard is still named by its own name.
                return fnmatch.fnmatchcase(vm.name, self.text) or vm.name == self.text

    @property
    def _is_regex(self) -> bool:
        return len(self.text) > 2 and self.text.startswith("/") and self.text.endswith("/")  # noqa: PLR2004

    @property
    def _is_glob(self) -> bool:
        return not self.text.startswith("name:") and any(character in self.text for character in "*?[")


@dataclass(frozen=True, slots=True)
class Selection:
    """What a list of patterns selects: for each VM the index of the entry that takes it; ties; and idle entries."""

    taken: dict[str, int]
    ties: tuple[tuple[VM, tuple[int, ...]], ...]
    idle: tuple[int, ...]


def select(entries: Sequence[Pattern], excludes: Sequence[Pattern], vms: Sequence[VM]) -> Selection:
    """Return which entry takes which VM, by its UUID. An entry is idle if it matches no VM at all."""
    taken: dict[str, int] = {}
    ties = []
    matched: set[int] = set()
    for vm in vms:
        candidates = [index for index, entry in enumerate(entries) if entry.matches(vm)]
        matched.update(candidates)
        if not candidates or any(exclude.matches(vm) for exclude in excludes):
            continue
        best = max(_strength(entries[index], vm) for index in candidates)
        winners = [index for index in candidates if _strength(entries[index], vm) == best]
        if len(winners) > 1:
            ties.append((vm, tuple(winners)))
        else:
            taken[vm.uuid] = winners[0]
    idle = tuple(index for index in range(len(entries)) if index not in matched)
    return Selection(taken, tuple(ties), idle)


def _strength(pattern: Pattern, vm: VM) -> tuple[int, int]:
    if pattern.rank is Rank.WILDCARD and pattern.text == vm.name:
        return (Rank.NAME, 0)
    return (pattern.rank, pattern.literals if pattern.rank is Rank.WILDCARD else 0)


def _escaped(found: re.Match[str]) -> str:
    r"""Return one character for an escape that stands for itself, such as `\.`; nothing for `\d` and the rest."""
    return "." if found[0].startswith("\\") and not found[0][1].isalnum() else ""
