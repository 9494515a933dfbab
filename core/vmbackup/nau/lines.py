"""The lines of an old configuration: `key = value` and comments, by the rules of all releases from 3.0 to 3.25."""

from dataclasses import dataclass
from typing import Final

BLANKS: Final = " \t\n\r\x0b\x0c"
BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Line:
    """One setting, with the number of its line, counted from 1."""

    number: int
    key: str
    value: str


@dataclass(frozen=True, slots=True)
class Note:
    """Something to say about a line, or, with the number 0, about the file as a whole."""

    number: int
    text: str


def split_lines(data: bytes) -> tuple[tuple[Line, ...], tuple[Note, ...]]:
    """Return the settings of a file, and what is wrong with the lines that are none.

    A comment is a line whose first character is `#`. Elsewhere there is exactly one `=`, blanks around key and value
    do not count, and nothing is quoted or continued. Old releases ended with a traceback where a line was otherwise.
    """
    found, wrong = [], []
    for number, raw in enumerate(data.removeprefix(BYTE_ORDER_MARK).split(b"\n"), 1):
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            wrong.append(Note(number, "this line is not text in UTF-8"))
            continue
        bare = text.strip(BLANKS)
        if text.startswith("#") or not bare:
            continue
        key, *values = (part.strip(BLANKS) for part in bare.split("="))
        if bare.startswith("#"):
            wrong.append(Note(number, "a # is a comment only as the first character of its line"))
        elif not values:
            wrong.append(Note(number, f"there is no = in {bare!r}"))
        elif len(values) > 1:
            wrong.append(Note(number, f"there is more than one = in {bare!r}, and no value can hold one"))
        else:
            found.append(Line(number, key, values[0]))
    return tuple(found), tuple(wrong)
