"""Which of several lines counts for a VM that they all take, and which lines therefore count for nothing."""

from collections.abc import Iterator, Sequence

from vmbackup.nau.lines import Note
from vmbackup.nau.reading import KINDS, Dialect, Rule
from vmbackup.nau.selectors import Name, covers


def ranked(dialect: Dialect, rules: Sequence[Rule], max_backups: int) -> tuple[Rule, ...]:
    """Return the rules so that of those that take a VM the first counts.

    vdi-export goes before vm-export. Within either the last line counts since 3.1. In 3.0 names go before wildcards,
    and then the first line counts; of lines with the same name, which meant two backups, that with more copies.
    """
    found: list[Rule] = []
    for kind in KINDS:
        same = [rule for rule in rules if rule.kind == kind]
        if dialect is Dialect.V3_25:
            found += reversed(same)
        else:
            names = [rule for rule in same if isinstance(rule.selector, Name)]
            found += sorted(names, key=lambda rule: -(rule.keep or max_backups))
            found += [rule for rule in same if rule not in names]
    return tuple(found)


def superseded(dialect: Dialect, rules: Sequence[Rule], max_backups: int) -> Iterator[Note]:
    """Yield a note for each rule that counts for nothing, since another takes all its VMs."""
    order = ranked(dialect, rules, max_backups)
    for index, rule in enumerate(order):
        other = next((higher for higher in order[:index] if covers(higher.selector, rule.selector)), None)
        if other is not None:
            yield Note(rule.number, f"{rule.kind}={rule.written}: {_why(dialect, rule, other)}")


def _why(dialect: Dialect, rule: Rule, other: Rule) -> str:
    if rule.kind != other.kind:
        return f"vdi-export on line {other.number} goes before; NAU could back such a VM up both ways"
    if dialect is Dialect.V3_0 and isinstance(rule.selector, Name):
        return (
            f"line {other.number} names the same VM. NAU 3.0 would back it up twice; it is backed up once, and the"
            " larger number of copies counts"
        )
    last = "last" if dialect is Dialect.V3_25 else "first"
    if rule.keep != other.keep:
        return f"its own number of copies is lost, for line {other.number} takes the same, and the {last} line counts"
    return f"line {other.number} takes the same"
