"""Reading an old configuration: from the bytes of a file, or from a selector of the command line, to a Reading."""

from collections.abc import Iterable
from pathlib import Path

from vmbackup.errors import ConfigError
from vmbackup.metadata import one_line
from vmbackup.nau.dialect import recognise
from vmbackup.nau.lines import Line, Note, split_lines
from vmbackup.nau.reading import KINDS, Dialect, Reading, Scalars, place
from vmbackup.nau.rules import Rules, is_rule
from vmbackup.nau.scalars import SCALARS, read_scalars
from vmbackup.nau.superseded import superseded

LARGEST = 256 << 10


def read_file(path: Path, dialect: Dialect | None, defaults: Scalars, *, ignore_extra_keys: bool) -> Reading:
    """Read a file, in the dialect given or recognised. Raises ConfigError with all that is wrong, by line."""
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    if len(data) > LARGEST:
        raise ConfigError(f"{path}: too large to be a configuration of NAU VMbackup")
    return read(str(path), data, dialect, defaults, ignore_extra_keys=ignore_extra_keys)


def read(path: str, data: bytes, dialect: Dialect | None, defaults: Scalars, *, ignore_extra_keys: bool) -> Reading:
    """Read the bytes of a file, which `path` names in messages. Raises ConfigError with all that is wrong, by line."""
    lines, wrong = split_lines(data)
    known = [line for line in lines if _is_known(line)]
    extra = [Note(line.number, f"there is no key {line.key!r}") for line in lines if not _is_known(line)]
    told = [Note(note.number, f"{note.text}, and it is passed over") for note in extra] if ignore_extra_keys else []
    wrong = wrong if ignore_extra_keys else (*wrong, *extra)
    advice = "ignore_extra_keys=True passes over keys that are not known." if extra and not ignore_extra_keys else ""
    _refuse(path, wrong, advice)
    return _reading(path, known, dialect, defaults, told)


def read_selector(text: str, dialect: Dialect | None, defaults: Scalars) -> Reading:
    """Read a selector that stands in the place of a file: alone, or behind `vm-export=` or `vdi-export=`.

    With more than one `=` all of it selects, as it did. Raises ConfigError.
    """
    key, equals, value = text.partition("=")
    if not equals or "=" in value:
        key, value = "vm-export", text
    if key not in KINDS:
        raise ConfigError(
            f"{key!r} selects nothing", advice="Write vm-export=SELECTOR or vdi-export=SELECTOR, or name a file."
        )
    return _reading("selector", [Line(0, key, value)], dialect, defaults, [])


def _reading(
    path: str, lines: Iterable[Line], dialect: Dialect | None, defaults: Scalars, told: Iterable[Note]
) -> Reading:
    lines = tuple(lines)
    scalar_lines = [line for line in lines if line.key in SCALARS]
    scalars, told_of_scalars, wrong = read_scalars(scalar_lines, defaults)
    why = ""
    if dialect is None:
        dialect, why = recognise(path, lines)
    rules = Rules(dialect)
    rules.read(line for line in lines if is_rule(line))
    _refuse(path, [*wrong, *rules.wrong])
    if not rules.rules:
        raise ConfigError(f"{path}: it takes no VM: there is neither a vm-export nor a vdi-export")
    read_as = [Note(0, f"read as NAU VMbackup {dialect}: {why}")] if why else []
    notes = [*told, *told_of_scalars, *rules.told, *superseded(dialect, rules.rules, scalars.max_backups)]
    return Reading(
        path=path,
        dialect=dialect,
        scalars=scalars,
        lines={line.key: line.number for line in scalar_lines},
        rules=tuple(rules.rules),
        excludes=tuple(rules.excludes),
        notes=(*read_as, *sorted(notes, key=lambda note: note.number)),
    )


def _is_known(line: Line) -> bool:
    return is_rule(line) or line.key in SCALARS


def _refuse(path: str, wrong: Iterable[Note], advice: str = "") -> None:
    """Raise one ConfigError for all that is wrong, in the order of the lines."""
    lines = [
        f"{place(path, note.number)}: {one_line(note.text)}" for note in sorted(wrong, key=lambda note: note.number)
    ]
    if lines:
        raise ConfigError("\n".join(lines), advice=advice)
