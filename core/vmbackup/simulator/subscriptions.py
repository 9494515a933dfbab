"""Which events a client wants: `*`, `class` or `class/ref`, whatever the case (event_types.ml)."""

from collections.abc import Iterable
from dataclasses import dataclass

from vmbackup.simulator.errors import XapiError

_SILENT = frozenset({"session"})  # classes without events, even for `*`


@dataclass(frozen=True, slots=True)
class Subscription:
    """A class in lower case, or none for all; and one object of it, or none for all."""

    cls: str | None = None
    ref: str | None = None

    def matches(self, cls: str, ref: str) -> bool:
        """Say whether an object's events are wanted."""
        if cls in _SILENT or (self.cls is not None and self.cls != cls.lower()):
            return False
        return self.ref is None or self.ref == ref


def parse(words: Iterable[str]) -> frozenset[Subscription]:
    """Read a request's classes; an unknown class is none's, which nothing ever matches.

    Raises XapiError `EVENT_SUBSCRIPTION_PARSE_FAILURE [word]`.
    """
    return frozenset(_parse(word) for word in words)


def _parse(word: str) -> Subscription:
    if word == "*":
        return Subscription()
    match word.split("/"):
        case [cls] if cls:
            return Subscription(cls.lower())
        case [cls, ref] if cls and ref:
            return Subscription(cls.lower(), ref)
    raise XapiError("EVENT_SUBSCRIPTION_PARSE_FAILURE", word)


@dataclass(frozen=True, slots=True)
class Registration:
    """What a session has registered for, and the generation up to which it was told."""

    wanted: frozenset[Subscription]
    read: int
