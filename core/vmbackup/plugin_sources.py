"""Where plugin modules come from, and which of them nobody wants."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import EntryPoint


@dataclass(frozen=True, slots=True)
class Source:
    """One module with plugins: `name` is that of its entry point, `load` imports it and may raise anything."""

    name: str
    distribution: str
    version: str
    load: Callable[[], object]

    @classmethod
    def of(cls, entry_point: EntryPoint) -> "Source":
        """Return the source that an entry point is."""
        found = entry_point.dist
        origin, version = (found.name, found.version) if found else ("no distribution", "")
        return cls(entry_point.name, origin, version, entry_point.load)


@dataclass(frozen=True, slots=True)
class Disabled:
    """What is left out on request: a whole source where `kind` and `name` are empty; `word` is what asked for it."""

    word: str
    distribution: str
    kind: str = ""
    name: str = ""


class Unwanted:
    """The words that leave plugins out: a plugin's name, `kind:name`, or the name of a distribution."""

    def __init__(self, words: Iterable[str] = ()) -> None:
        """Begin with nothing left out."""
        self._words = tuple(dict.fromkeys(words))
        self.found: list[Disabled] = []

    @property
    def unknown(self) -> tuple[str, ...]:
        """The words that have left out nothing so far."""
        return tuple(word for word in self._words if word not in {disabled.word for disabled in self.found})

    def source(self, source: Source) -> bool:
        """Whether a source is left out, which is then not even imported."""
        return self._leave_out({_normal(source.distribution)}, Disabled("", source.distribution), _normal)

    def plugin(self, kind: str, name: str, source: Source) -> bool:
        """Whether one plugin of a source that was loaded is left out."""
        return self._leave_out({name, f"{kind}:{name}"}, Disabled("", source.distribution, kind, name), str)

    def _leave_out(self, names: set[str], what: Disabled, normal: Callable[[str], str]) -> bool:
        words = [word for word in self._words if normal(word) in names]
        self.found += [Disabled(word, what.distribution, what.kind, what.name) for word in words]
        return bool(words)


def _normal(distribution: str) -> str:
    """Return a name as package indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", distribution).lower()
