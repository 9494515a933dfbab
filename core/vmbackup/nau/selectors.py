"""What selects VMs in an old configuration: a name, the beginning of names, or a regular expression."""

import re
from dataclasses import dataclass
from typing import Final

from vmbackup.nau.regex import Regex, of_grep, of_python_2
from vmbackup.selection import Pattern

SIMPLE: Final = re.compile(r"[A-Za-z0-9_\-\s]+", re.ASCII)
SPECIAL: Final = re.compile(r"[\\.^$*+?{}\[\]|()]")
REST: Final = "(?s:.*)"


@dataclass(frozen=True, slots=True)
class Name:
    """The VM of that very name."""

    text: str

    @property
    def match(self) -> str:
        """How our configuration says it."""
        return self.text if SIMPLE.fullmatch(self.text) else f"name:{self.text}"

    @property
    def words(self) -> str:
        """What it means, for people."""
        return f"the VM {self.text!r}"

    def fits(self, name: str) -> bool:
        """Whether it selects the VM of that name."""
        return name == self.text


@dataclass(frozen=True, slots=True)
class Beginning:
    """All VMs whose names begin with a text; all there are where that is empty."""

    text: str

    @property
    def match(self) -> str:
        """How our configuration says it."""
        plain = not any(character in self.text for character in "*?[:/\\")
        return f"{self.text}*" if plain else f"/{self.regex}{REST}/"

    @property
    def regex(self) -> str:
        """The same as a regular expression."""
        return SPECIAL.sub(r"\\\g<0>", self.text)

    @property
    def words(self) -> str:
        """What it means, for people."""
        return f"VMs whose names begin with {self.text!r}" if self.text else "all VMs"

    def fits(self, name: str) -> bool:
        """Whether it selects the VM of that name."""
        return name.startswith(self.text)


@dataclass(frozen=True, slots=True)
class Expression:
    """All VMs whose names begin as a regular expression says."""

    of: Regex

    @property
    def match(self) -> str:
        """How our configuration, whose regular expressions fit whole names, says it."""
        return f"/{self.regex}{REST}/"

    @property
    def regex(self) -> str:
        """The same, to stand within another."""
        return self.of.grouped

    @property
    def words(self) -> str:
        """What it means, for people."""
        return f"VMs whose names begin as the regular expression {self.of.body!r} says"

    def fits(self, name: str) -> bool:
        """Whether it selects the VM of that name."""
        return self.of.fits(name)


Wildcard = Beginning | Expression
Selector = Name | Wildcard


def selector_of_3_25(text: str) -> Selector:
    """Read a selector of 3.1 to 3.25: a name of simple characters, else a regular expression. Raises ValueError."""
    if SIMPLE.fullmatch(text):
        return Name(text)
    return _wildcard(of_python_2(text))


def selector_of_3_0(text: str) -> Selector:
    """Read a selector of 3.0: a wildcard if it ends in `*`, else a name. Raises ValueError."""
    if not text.endswith("*"):
        return Name(text)
    return _wildcard(of_grep(text[:-1]))


def _wildcard(regex: Regex) -> Wildcard:
    beginning = regex.beginning
    return Expression(regex) if beginning is None else Beginning(beginning)


def covers(one: Selector, other: Selector) -> bool:
    """Whether `one` is known to select all that `other` does."""
    if isinstance(other, Name):
        return one.fits(other.text)
    if isinstance(one, Beginning) and isinstance(other, Beginning):
        return other.text.startswith(one.text)
    return one == other


def apart(one: Selector, other: Selector) -> bool:
    """Whether the two are known to select no VM in common."""
    if isinstance(one, Name):
        return not other.fits(one.text)
    if isinstance(other, Name):
        return not one.fits(other.text)
    first, second = _opening(one), _opening(other)
    return not (first.startswith(second) or second.startswith(first))


def _opening(selector: Wildcard) -> str:
    return selector.text if isinstance(selector, Beginning) else selector.of.opening


def without(selector: Wildcard, others: tuple[Wildcard, ...]) -> str:
    """Return what our configuration says for `selector` and none of `others`.

    Raises ValueError where one of them refers to its own groups.
    """
    for one in (selector, *others):
        if isinstance(one, Expression) and one.of.counts_groups:
            raise ValueError(f"{one.of.body!r} refers to its own groups, and cannot be told apart from others")
    return "/" + "".join(f"(?!{other.regex})" for other in others) + f"{selector.regex}{REST}/"


def literals(match: str) -> int:
    """Return how precise our configuration takes a wildcard to be."""
    return Pattern(match).literals
