"""An old configuration's lines as the entries of a job: so written that our rules choose the line that counted there.

Of wildcards ours takes the more precise, whatever the order; where that is another one than the line that counted, a
wildcard says itself which VMs it leaves to others.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from vmbackup.errors import ConfigError
from vmbackup.metadata import one_line
from vmbackup.nau.reading import Exclude, Reading, Rule
from vmbackup.nau.selectors import Name, apart, covers, literals, without
from vmbackup.nau.superseded import ranked


@dataclass(frozen=True, slots=True)
class Entry:
    """A `match` that takes VMs, and the line that it comes from."""

    match: str
    of: Rule


@dataclass(frozen=True, slots=True)
class Exclusion:
    """A `match` that leaves VMs out, and the line that it comes from."""

    match: str
    of: Exclude


def entries_of(reading: Reading) -> tuple[Entry, ...]:
    """Return the entries that take VMs, in the order of their lines; a line that counts for nothing has none."""
    placed: list[Entry] = []
    higher: list[Rule] = []
    for rule in ranked(reading.dialect, reading.rules, reading.scalars.max_backups):
        if not any(covers(other.selector, rule.selector) for other in higher):
            placed.append(Entry(_match(reading, rule, placed), rule))
            higher.append(rule)
    return tuple(sorted(placed, key=lambda entry: reading.rules.index(entry.of)))


def excludes_of(reading: Reading) -> tuple[Exclusion, ...]:
    """Return the entries that leave VMs out."""
    return tuple(Exclusion(exclude.selector.match, exclude) for exclude in reading.excludes)


def _match(reading: Reading, rule: Rule, placed: Sequence[Entry]) -> str:
    selector = rule.selector
    if isinstance(selector, Name):
        return selector.match
    rivals = [
        (entry.match, other)
        for entry in placed
        if not isinstance(other := entry.of.selector, Name) and not apart(other, selector)
    ]
    if all(literals(match) > literals(selector.match) for match, _ in rivals):
        return selector.match
    try:
        return without(selector, tuple(other for _, other in rivals))
    except ValueError as error:
        raise ConfigError(
            f"{reading.place(rule.number)}: {rule.kind}={one_line(rule.written)}: {error}",
            advice="Write it so that it takes no VM that another line takes as well.",
        ) from None
