"""Regular expressions of old configurations, as they are written today: Python 2's of 3.1 and later, grep's of 3.0.

What stands for something else in Python 2 than it does now is written anew, and what was an error then stays one.
"""

import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

TOKEN: Final = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|.", re.DOTALL)
LEADING_FLAGS: Final = re.compile(r"\(\?([A-Za-z]+)\)")
COUNT: Final = re.compile(r"\{[0-9]*,?[0-9]*\}$")
# Letters that mean something behind a backslash in Python 2; every other stood for itself.
ESCAPES: Final = frozenset("AbBdDsSwWZafnrtvx")
# What is not the same under ASCII rules, by which Python 2 matched.
BY_ALPHABET: Final = re.compile(r"\\[bBdDsSwW]")
META: Final = frozenset("\\.^$*+?{}[]|()")
COUNTS: Final = frozenset("*+?{")
BASIC_LITERALS: Final = frozenset(".*[]^$\\/")
# What Python may take for an operation on sets one day.
IN_SETS: Final = frozenset("[&~|")


@dataclass(frozen=True, slots=True)
class Regex:
    """A regular expression of today that fits where the old one did: at the beginning of a name.

    `flags` are letters such as `i`, for the whole of `body`.
    """

    body: str
    flags: str = ""

    @property
    def grouped(self) -> str:
        """What can stand within another regular expression."""
        flags = self.flags + ("a" if "i" in self.flags or BY_ALPHABET.search(self.body) else "")
        return f"(?{flags}:{self.body})" if flags or "|" in self.body else self.body

    @property
    def counts_groups(self) -> bool:
        """Whether it refers to its own groups, and so cannot stand beside others."""
        return re.search(r"\\[1-9]|\(\?P|\(\?\(", self.body) is not None

    def fits(self, name: str) -> bool:
        """Whether a name begins with what it stands for."""
        return re.match(self.grouped, name) is not None

    @property
    def opening(self) -> str:
        """What every name that it fits begins with, as far as that is plain to see."""
        if "|" in self.body or "i" in self.flags:
            return ""
        found: list[str] = []
        for part in TOKEN.findall(self.body):
            character = _literal(part)
            if character is None:
                return "".join(found[:-1] if part[0] in COUNTS else found)
            found.append(character)
        return "".join(found)

    @property
    def beginning(self) -> str | None:
        """The text that is all it asks a name to begin with, if that is all."""
        body = re.sub(r"(?<!\\)\.\*$", "", self.body.removeprefix("^"))
        characters = [_literal(part) for part in TOKEN.findall(body)]
        if self.flags or None in characters:
            return None
        return "".join(character for character in characters if character is not None)


def of_python_2(old: str) -> Regex:
    """Read a regular expression of 3.1 and later. Raises ValueError, which says what is wrong with it."""
    flags = ""
    while match := LEADING_FLAGS.match(old):
        flags += match[1]
        old = old[match.end() :]
    if set(flags) - set("ims"):
        raise ValueError(f"(?{flags}) is not read here; of such letters only i, m and s are")
    if "(?>" in "".join(part[0] for part in TOKEN.findall(old)):
        raise ValueError("(?> is not read here")
    body = ""
    before = ""
    for part in TOKEN.findall(old):
        if part == "+" and (before in {"*", "+", "?"} or COUNT.search(body)):
            raise ValueError(rf"two counts after each other at {before + part!r}; a plus sign itself is \+")
        body += _set(part) if part.startswith("[") and len(part) > 1 else _escape(part)
        before = part
    return _compiled(Regex(body, "".join(sorted(set(flags)))))


def of_grep(old: str) -> Regex:
    """Read what stood before the `*` of a wildcard of 3.0, which was given to grep as it was. Raises ValueError."""
    body = ""
    for part in TOKEN.findall(old):
        if part.startswith("[") and len(part) > 1:
            body += _set(part)
        elif part.startswith("\\"):
            if part[1:] not in BASIC_LITERALS:
                raise ValueError(f"{part} is not read here")
            body += re.escape(part[1:])
        elif part == "." or (part == "*" and body):
            body += part
        else:
            body += re.escape(part)
    return _compiled(Regex(body))


def _compiled(found: Regex) -> Regex:
    """Return what compiles, also with its flags within another. Raises ValueError for what does not."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            re.compile(found.body)
            re.compile(found.grouped)
    except (re.error, OverflowError, RecursionError, Warning) as error:
        raise ValueError(str(error)) from None
    return found


def _literal(part: str) -> str | None:
    """Return the character that a part stands for, if it stands for one."""
    if part.startswith("\\"):
        return part[1] if len(part) > 1 and not part[1].isalnum() else None
    return part if len(part) == 1 and part not in META else None


def _escape(part: str) -> str:
    known = len(part) < 2 or not part.startswith("\\") or not (part[1].isascii() and part[1].isalpha())  # noqa: PLR2004 - a pair
    return part if known or part[1] in ESCAPES else part[1]


def _set(part: str) -> str:
    return "[" + "".join(_in_set(part[1:-1])) + "]"


def _in_set(inside: str) -> Iterator[str]:
    for part in re.findall(r"\\.|.", inside, re.DOTALL):
        yield f"\\{part}" if part in IN_SETS else _escape(part)
