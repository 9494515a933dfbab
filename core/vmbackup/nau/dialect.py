"""Which dialect an old configuration is written in: 3.0 and 3.1 changed what a trailing `*` means, and no file says."""

import re
from collections.abc import Iterable
from typing import Final

from vmbackup.errors import ConfigError
from vmbackup.metadata import one_line
from vmbackup.nau.lines import Line
from vmbackup.nau.reading import EXCLUDE, Dialect, place
from vmbackup.nau.rules import Rules, is_rule
from vmbackup.nau.selectors import Selector

# `*` alone, or behind a letter, digit, hyphen, underscore or blank, with nothing but dots before that means something.
OF_3_0: Final = re.compile(r"[^$^\[\](){}|\\?+*]*(?<![^\w\- ])\*")
OF_3_1: Final = re.compile(r"[$^\[(|\\?+{]|\.\*|\*.")


def recognise(path: str, lines: Iterable[Line]) -> tuple[Dialect, str]:
    """Return the dialect that a file bears the signs of, and why if that is 3.0; 3.25 where it bears none.

    Raises ConfigError where it bears signs of both, and shows both readings.
    """
    lines = tuple(lines)
    old = [line for line in lines if line.key != EXCLUDE and is_rule(line) and OF_3_0.fullmatch(_selector(line))]
    new = [line for line in lines if _is_new(line)]
    if old and new:
        raise ConfigError(
            f"{path}: it bears signs of NAU VMbackup 3.0 (line {_numbers(old)}) and of a later one (line"
            f" {_numbers(new)}), which read it differently; nothing was done\n" + "\n".join(_both(path, lines)),
            advice="Say which is meant with --dialect 3.0 or --dialect 3.25.",
        )
    if old:
        return Dialect.V3_0, f"its wildcards end in * (line {_numbers(old)}), and nothing in it is newer"
    return Dialect.V3_25, ""


def _is_new(line: Line) -> bool:
    if line.key == "status_log":
        return True
    if line.key == EXCLUDE:
        return OF_3_1.search(line.value) is not None or line.value.endswith("*")
    return is_rule(line) and OF_3_1.search(_selector(line)) is not None


def _selector(line: Line) -> str:
    return line.value.strip('"').partition(":")[0].strip('"')


def _numbers(lines: Iterable[Line]) -> str:
    return ", ".join(str(line.number) for line in lines)


def _both(path: str, lines: Iterable[Line]) -> Iterable[str]:
    """Yield what each line that selects VMs means in either dialect, where that is not the same."""
    for line in filter(is_rule, lines):
        first, second = (_words(line, dialect) for dialect in Dialect)
        if first != second:
            yield f"{place(path, line.number)}: {line.key}={one_line(line.value)}: in 3.0 {first}; in 3.25 {second}"


def _words(line: Line, dialect: Dialect) -> str:
    rules = Rules(dialect)
    rules.read([line])
    found: list[Selector] = [rule.selector for rule in rules.rules]
    found += [exclude.selector for exclude in rules.excludes]
    return found[0].words if found else "an error" if rules.wrong else "nothing"
