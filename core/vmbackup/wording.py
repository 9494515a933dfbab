"""Words for people: what a name may look like in a line of ours, and how sizes and durations are written."""

import unicodedata
from datetime import datetime

_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB")


def plain(text: str, length: int | None = None) -> str:
    """Return `text` on one line: no line ends, control or invisible characters (Unicode's class C), no double spaces.

    What is longer than `length` characters is cut, and says so.
    """
    visible = "".join(" " if unicodedata.category(each)[0] in "CZ" else each for each in text)
    line = " ".join(visible.split())
    return line if length is None or len(line) <= length else f"{line[: length - 1]}…"


def human_size(size: int) -> str:
    """Return a number of bytes for people: `1.5 GiB`."""
    amount, unit = float(size), 0
    while amount >= 1024 and unit < len(_UNITS) - 1:  # noqa: PLR2004 - a kibibyte
        amount, unit = amount / 1024, unit + 1
    return f"{amount:.1f} {_UNITS[unit]}" if unit else f"{size} bytes"


def human_seconds(seconds: float) -> str:
    """Return a duration for people: `45 s`, `12 min 03 s`, `2 h 05 min`."""
    whole = round(seconds)
    minutes, hours = whole // 60, whole // 3600
    if hours:
        return f"{hours} h {minutes % 60:02} min"
    return f"{minutes} min {whole % 60:02} s" if minutes else f"{whole} s"


def human_age(then: datetime, now: datetime) -> str:
    """Return for people how old something of that moment is: `40 min`, `5 h`, `12 days`."""
    minutes = max(0, round((now - then).total_seconds()) // 60)
    hours = minutes // 60
    if hours >= 48:  # noqa: PLR2004 - two days
        return f"{hours // 24} days"
    return f"{hours} h" if hours else f"{minutes} min"


def counted(number: int, thing: str) -> str:
    """Return so many of a thing: `1 warning`, `2 warnings`."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
