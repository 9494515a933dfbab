"""What counts as a sign of life of a VM that has been started."""

import re
from dataclasses import dataclass
from typing import Self

from vmbackup.errors import ConfigError

_UNITS = {"s": 1, "m": 60, "h": 3600}
_PORTS = range(1, 1 << 16)


@dataclass(frozen=True, slots=True)
class LifeSign:
    """That the guest agent speaks, and a TCP port answers too where there is one; or `seconds` of running alone.

    `text` is how it was written.
    """

    text: str = "agent"
    port: int | None = None
    seconds: float | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `agent`, `port:22` or a time such as `90s`. Raises ConfigError."""
        if text == "agent":
            return cls(text)
        if (match := re.fullmatch(r"port:([0-9]{1,5})", text)) and int(match[1]) in _PORTS:
            return cls(text, port=int(match[1]))
        if match := re.fullmatch(r"([0-9]{1,6})\s*([smh])", text):
            return cls(text, seconds=int(match[1]) * _UNITS[match[2]])
        raise ConfigError(f"{text!r} is no sign of life", advice="Write agent, port:22, or a time such as 90s.")


AGENT = LifeSign()
