"""The words of the old command line: two by their places, and the switches behind them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from vmbackup.errors import ConfigError

CREATE: Final = "create-password-file"
SWITCHES: Final = ("compress", "pre_clean", "ignore_extra_keys")
USAGE: Final = (
    "vmbackup nau PASSWORD-FILE CONFIG [preview | init] [compress=True] [pre_clean=True] [ignore_extra_keys=True]"
)


@dataclass(frozen=True, slots=True)
class Switches:
    """What stands behind the two words."""

    preview: bool = False
    init: bool = False
    compress: bool = False
    pre_clean: bool = False
    ignore_extra_keys: bool = False


@dataclass(frozen=True, slots=True)
class Words:
    """The whole line: the password or its file, then a file, a selector, or the password file that is to be written."""

    password: str
    subject: str
    create: str | None
    switches: Switches


def parse(words: Sequence[str]) -> Words:
    """Read the words of a line. Raises ConfigError."""
    if len(words) < 2:  # noqa: PLR2004 - by their places
        raise ConfigError("a password file and a configuration are needed", advice=USAGE)
    password, subject, *rest = words
    key, equals, value = subject.partition("=")
    create = None
    if key.lower() == CREATE:
        if not equals or not value:
            raise ConfigError(f"{CREATE} needs a file", advice=f"vmbackup nau PASSWORD {CREATE}=FILE")
        create = value
    return Words(password, subject, create, parse_switches(rest))


def parse_switches(words: Sequence[str]) -> Switches:
    """Read the words behind the first two, in either case, as ever. Raises ConfigError."""
    found: dict[str, bool] = {}
    for word in words:
        key, equals, value = word.partition("=")
        key = key.lower()
        if key in {"preview", "init"}:
            found[key] = True
        elif key in SWITCHES and equals:
            found[key] = value.lower() == "true"
        elif key in SWITCHES:
            raise ConfigError(f"{word} needs a value", advice=f"Write {key}=True.")
        else:
            raise ConfigError(f"there is no switch {word!r}", advice=USAGE)
    return Switches(**found)
