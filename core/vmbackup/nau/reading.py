"""What an old configuration says, once it is read in one of the two dialects, with what is to be told of it."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final, Literal

from vmbackup.nau.lines import Note
from vmbackup.nau.selectors import Selector

Kind = Literal["vm-export", "vdi-export"]
KINDS: Final[tuple[Kind, ...]] = ("vdi-export", "vm-export")
EXCLUDE: Final = "exclude"


class Dialect(StrEnum):
    """How selectors are read: as 3.0 did, or as 3.25 and, but for its defects, all since 3.1."""

    V3_0 = "3.0"
    V3_25 = "3.25"


@dataclass(frozen=True, slots=True)
class Rule:
    """One line that takes VMs. `keep` is the number behind the colon, or None where the file's own number counts."""

    number: int
    kind: Kind
    written: str
    selector: Selector
    keep: int | None = None


@dataclass(frozen=True, slots=True)
class Exclude:
    """One line that leaves VMs out, whatever takes them."""

    number: int
    written: str
    selector: Selector


@dataclass(frozen=True, slots=True)
class Scalars:
    """The settings that a file has once. `status_log` is None where none is wanted."""

    pool_db_backup: bool = False
    max_backups: int = 4
    backup_dir: Path = Path("/snapshots/BACKUPS")
    status_log: Path | None = None
    vdi_export_format: Literal["raw", "vhd"] = "raw"


@dataclass(frozen=True, slots=True)
class Reading:
    """A whole configuration; `lines` has the line on which each of the settings stands that the file itself has."""

    path: str
    dialect: Dialect
    scalars: Scalars
    lines: dict[str, int]
    rules: tuple[Rule, ...]
    excludes: tuple[Exclude, ...]
    notes: tuple[Note, ...]

    def place(self, number: int) -> str:
        """Return how messages name a line of the file."""
        return place(self.path, number)

    @property
    def everything(self) -> tuple[Rule, ...]:
        """The rules that take all VMs by saying nothing, such as `vm-export=`."""
        return tuple(rule for rule in self.rules if not rule.written)


def place(path: str, number: int) -> str:
    """Return how messages name a line of a file."""
    return f"{path}:{number}" if number else path
