"""Rules for a host's connections as a whole."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """From now on a host (its address; none means all) takes no connection, for some seconds or until taken back.

    New connections are refused; those that are open are kept, reset, or fall `silent`: nothing comes through any more
    (and then new ones are taken and hear nothing either). Tasks and sessions stay as they are.
    """

    host: str = ""
    seconds: float | None = None
    connections: Literal["kept", "reset", "silent"] = "kept"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionReset:
    """A new connection to a host (none means all) is taken and reset at once; `nth` counts them, None is every one."""

    host: str = ""
    nth: int | None = 1
    onwards: bool = False
