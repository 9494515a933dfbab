"""The settings that an old configuration has once: their defaults, and what they may be."""

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

from vmbackup.nau.lines import Line, Note
from vmbackup.nau.reading import Scalars

NUMBER: Final = re.compile(r"[+-]?[0-9]{1,9}")
QUOTED: Final = re.compile(r"([\"'])(.*)\1", re.DOTALL)


def read_scalars(lines: Iterable[Line], defaults: Scalars) -> tuple[Scalars, list[Note], list[Note]]:
    """Return the settings, what is to be told of them, and what is wrong with them, by line."""
    found: dict[str, object] = {}
    seen: dict[str, int] = {}
    told: list[Note] = []
    wrong: list[Note] = []
    for line in lines:
        if line.key in seen:
            wrong.append(Note(line.number, f"{line.key} stands on line {seen[line.key]} already; leave one out"))
            continue
        seen[line.key] = line.number
        try:
            found[line.key] = SCALARS[line.key](line.value)
        except ValueError as error:
            wrong.append(Note(line.number, f"{line.key}: {error}"))
        told += _quotes(line)
    fields = ("pool_db_backup", "max_backups", "backup_dir", "status_log", "vdi_export_format")
    values = {field: found.get(field, getattr(defaults, field)) for field in fields}
    return Scalars(**values), told, wrong  # type: ignore[arg-type] # each by its own function below


def whole_number(text: str) -> int:
    """Read a number as Python 2 does. Raises ValueError."""
    bare = text.strip()
    if not NUMBER.fullmatch(bare):
        behind = "; nothing may stand behind a value, not even a comment" if "#" in text else ""
        raise ValueError(f"{text!r} is no whole number{behind}")
    return int(bare)


def _copies(text: str) -> int:
    number = whole_number(text)
    if number < 1:
        raise ValueError(f"at least 1 copy is kept, not {number}")
    return number


def _switch(text: str) -> bool:
    number = whole_number(text)
    if number not in {0, 1}:
        raise ValueError(f"it is 0 or 1, not {number}")
    return number == 1


def _path(text: str) -> Path:
    quoted = QUOTED.fullmatch(text)
    bare = quoted[2] if quoted else text
    if not bare.startswith("/"):
        raise ValueError(f"{bare!r} is no absolute path, which it must be: vmbackup may be started anywhere")
    if not bare.isprintable():
        raise ValueError(f"{bare!r} is no path")
    if ".." in Path(bare).parts:
        raise ValueError(f"{bare!r} is a path with ..")
    return Path(bare)


def _format(text: str) -> str:
    if text not in {"raw", "vhd"}:
        raise ValueError(f"it is raw or vhd, not {text!r}")
    return text


def _quotes(line: Line) -> Iterator[Note]:
    if QUOTED.fullmatch(line.value):
        yield Note(line.number, f"{line.key}: the quotes are left off; NAU took them for a part of the path")


SCALARS: Final[dict[str, Callable[[str], object]]] = {
    "pool_db_backup": _switch,
    "max_backups": _copies,
    "backup_dir": _path,
    "status_log": _path,
    "vdi_export_format": _format,
}
