"""The lines that take VMs and those that leave VMs out, read in one of the dialects."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, cast

from vmbackup.nau.lines import Line, Note
from vmbackup.nau.reading import EXCLUDE, KINDS, Dialect, Exclude, Kind, Rule
from vmbackup.nau.scalars import whole_number
from vmbackup.nau.selectors import Name, Selector, selector_of_3_0, selector_of_3_25

QUOTED: Final = re.compile(r"\"([^\"]*)\"\s*(?::(.*))?", re.DOTALL)
SELECTORS: Final[dict[Dialect, Callable[[str], Selector]]] = {
    Dialect.V3_0: selector_of_3_0,
    Dialect.V3_25: selector_of_3_25,
}


@dataclass
class Rules:
    """What has been read so far, what is to be told of it, and what is wrong with it."""

    dialect: Dialect
    rules: list[Rule] = field(default_factory=list)
    excludes: list[Exclude] = field(default_factory=list)
    told: list[Note] = field(default_factory=list)
    wrong: list[Note] = field(default_factory=list)

    def read(self, lines: Iterable[Line]) -> None:
        """Read lines whose keys are those of selectors."""
        for line in lines:
            try:
                self._exclude(line) if line.key == EXCLUDE else self._rule(line)
            except ValueError as error:
                self.wrong.append(Note(line.number, f"{line.key}={line.value}: {error}"))

    def _tell(self, line: Line, text: str) -> None:
        self.told.append(Note(line.number, f"{line.key}={line.value}: {text}"))

    def _exclude(self, line: Line) -> None:
        quoted = re.fullmatch(r'"([^"]*)"', line.value)
        written = self._unquoted(line, quoted[1]) if quoted else line.value
        if not written:
            if self.dialect is Dialect.V3_0:
                raise ValueError("no VM has an empty name")
            self._tell(line, "nothing is left out, as nothing is named")
            return
        if ":" in written and not quoted:
            self._tell(line, "the colon belongs to the name; an exclude has no number of copies")
        # In 3.0 nothing but a name could be left out.
        selector = Name(written) if self.dialect is Dialect.V3_0 else self._selector(written)
        self.excludes.append(Exclude(line.number, written, selector))

    def _rule(self, line: Line) -> None:
        written, count = self._parts(line)
        if self.dialect is Dialect.V3_0 and not written:
            raise ValueError("no VM has an empty name; all VMs are *")
        if line.key == "vdi-export" and not written and count is None:
            self._tell(line, "nothing is taken, as nothing is named")
            return
        selector = self._selector(written)
        if isinstance(selector, Name) and written != written.rstrip():
            self._tell(line, "the blank before the colon belongs to the name")
        self.rules.append(Rule(line.number, cast("Kind", line.key), written, selector, self._keep(line, count)))

    def _selector(self, written: str) -> Selector:
        try:
            return SELECTORS[self.dialect](written)
        except ValueError as error:
            raise ValueError(f"{written!r} is not a regular expression: {error}{_hint(written)}") from None

    def _parts(self, line: Line) -> tuple[str, str | None]:
        """Return the selector, and the number of copies behind its colon if there is a colon."""
        if quoted := QUOTED.fullmatch(line.value):
            return self._unquoted(line, quoted[1]), quoted[2]
        written, *counts = line.value.split(":")
        if len(counts) > 1:
            if self.dialect is Dialect.V3_0:
                raise ValueError("there is more than one colon")
            self._tell(line, f"only the number behind the first colon counts, {counts[0]!r}")
        return written, counts[0] if counts else None

    def _unquoted(self, line: Line, inner: str) -> str:
        self._tell(line, "the quotes are left off; NAU took them for a part of the name, and found no such VM")
        return inner

    def _keep(self, line: Line, count: str | None) -> int | None:
        if count is None or not count.strip():
            return None
        try:
            number = whole_number(count)
        except ValueError as error:
            raise ValueError(f"{error} of copies (NAU looked at it only where there was such a VM)") from None
        if number < 1:
            self._tell(line, f"{number} copies stands for max_backups, as it did")
            return None
        return number


def _hint(written: str) -> str:
    if written.startswith("*"):
        return "; all VMs are .* here, and * in 3.0 (--dialect 3.0)"
    if written.endswith("(?"):
        return "; a colon ends the selector, so write (a|b) instead of (?:a|b)"
    return ""


def is_rule(line: Line) -> bool:
    """Whether a line takes VMs or leaves some out."""
    return line.key in {*KINDS, EXCLUDE}
