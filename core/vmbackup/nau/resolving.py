"""What an old configuration takes, computed as NAU VMbackup did, line by line: the measure of our translation.

Where it was a defect that decided, the result is what was meant, and a remark says what NAU would have done.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from vmbackup.nau.lines import Note
from vmbackup.nau.reading import Dialect, Kind, Reading, Rule
from vmbackup.nau.selectors import Name
from vmbackup.nau.superseded import ranked


@dataclass(frozen=True, slots=True)
class Taken:
    """How a VM is backed up, and how many copies of it are kept."""

    method: Kind
    keep: int


def take(reading: Reading, name: str) -> Taken | None:
    """Return what becomes of the VM of that name, or None where it is not backed up."""
    if any(exclude.selector.fits(name) for exclude in reading.excludes):
        return None
    for rule in ranked(reading.dialect, reading.rules, reading.scalars.max_backups):
        if rule.selector.fits(name):
            return Taken(rule.kind, rule.keep or reading.scalars.max_backups)
    return None


def idle(reading: Reading, names: Sequence[str]) -> list[Rule]:
    """Return the lines that fit none of the VMs: one may have been renamed, and is not backed up any more."""
    return [rule for rule in reading.rules if not any(rule.selector.fits(name) for name in names)]


def remarks(reading: Reading, names: Sequence[str]) -> Iterator[Note]:
    """Yield what can be told of the lines only once the pool's names are known."""
    for rule in reading.rules:
        fitting = [name for name in names if rule.selector.fits(name)]
        if not fitting:
            yield Note(rule.number, f"{rule.kind}={rule.written}: there is no such VM{_literally(rule, names)}")
        elif not isinstance(rule.selector, Name) and rule.written in fitting and len(fitting) > 1:
            others = ", ".join(repr(name) for name in fitting if name != rule.written)
            yield Note(
                rule.number,
                f"{rule.kind}={rule.written}: read as a regular expression, and so it takes {others} as well;"
                " a backslash before each special character and a $ at the end make it a name",
            )
        yield from _prefixes(reading, rule, fitting)
    for exclude in reading.excludes:
        if not any(exclude.selector.fits(name) for name in names):
            yield Note(exclude.number, f"exclude={exclude.written}: there is no such VM, and nothing is left out")
    for name in names:
        if any(character in name for character in ":,") and take(reading, name):
            yield Note(0, f"{name!r} is backed up; NAU could not tell a VM whose name has a colon or a comma in it")


def _literally(rule: Rule, names: Sequence[str]) -> str:
    if isinstance(rule.selector, Name) or rule.written not in names:
        return ""
    return (
        "; it is read as a regular expression, and the VM of just this name is named with a backslash before each"
        " special character"
    )


def _prefixes(reading: Reading, rule: Rule, fitting: Sequence[str]) -> Iterator[Note]:
    """Yield the VMs that a wildcard of 3.0 lost to a defect: those with whose names longer ones began."""
    if reading.dialect is not Dialect.V3_0 or isinstance(rule.selector, Name):
        return
    named = [other.selector.text for other in reading.rules if isinstance(other.selector, Name)]
    for name in fitting:
        longer = next((one for one in named if one != name and one.startswith(name)), None)
        if longer and name not in named:
            yield Note(
                rule.number,
                f"{rule.kind}={rule.written}: {name!r} is backed up; NAU 3.0 left it out where {longer!r} is named",
            )
