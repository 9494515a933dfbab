"""What the kernel says of its mounts, and on which of them an open file lies (proc(5): mountinfo, fdinfo)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MOUNTINFO: Final = Path("/proc/self/mountinfo")
# Fields before the lone hyphen: id, parent, major:minor, root, point, options, and any number of tags.
_POINT: Final = 4


@dataclass(frozen=True, slots=True)
class Mount:
    """One line of the table; `device` is "major:minor". The source of a bound part of an export names that part."""

    id: int
    device: str
    point: str
    kind: str
    source: str
    options: tuple[str, ...]


def parse(table: str) -> Iterator[Mount]:
    """Read the text of a mountinfo."""
    for line in table.splitlines():
        before, _, after = line.partition(" - ")
        fields, rest = before.split(" "), after.split(" ")
        yield Mount(
            id=int(fields[0]),
            device=fields[2],
            point=_plain(fields[_POINT]),
            kind=rest[0],
            source=_plain(rest[1]),
            options=tuple(rest[2].split(",")),
        )


def mounts() -> list[Mount]:
    """Return the mounts that this process sees. Raises OSError."""
    return list(parse(MOUNTINFO.read_text(encoding="utf-8", errors="surrogateescape")))


def mount_id(descriptor: int) -> int:
    """Return the id of the mount on which an open file lies. Raises OSError."""
    said = Path(f"/proc/self/fdinfo/{descriptor}").read_text(encoding="ascii")
    return int(said.partition("mnt_id:")[2].split()[0])


def _plain(field: str) -> str:
    """Undo the octal escapes of blanks, tabs, line ends and backslashes."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), field)
