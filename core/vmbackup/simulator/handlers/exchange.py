"""What a handler is given: the pool, the request and the connection."""

from dataclasses import dataclass

from vmbackup.simulator import http
from vmbackup.simulator.errors import XapiError
from vmbackup.simulator.pool import Pool
from vmbackup.simulator.wire import Wire


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request to a handler of a host (a ref)."""

    pool: Pool
    host: str
    request: http.Request
    wire: Wire

    def broken(self, error: XapiError) -> http.Refused:
        """Build the 500 that leaves the caller's task as it is: the fault came before anyone looked at the task."""
        return http.Refused(http.internal_error(self.request.version, error.description))

    def flag(self, name: str, value: str | None, *, default: bool) -> bool:
        """Read a parameter that must be exactly `true` or `false`. Raises Refused (500)."""
        if value not in {None, "true", "false"}:
            raise self.broken(XapiError("INTERNAL_ERROR", f'Invalid_argument("bool_of_string: {name}")'))
        return default if value is None else value == "true"


class Rejected(Exception):
    """A request that gets an answer of its own, and its task this error; the connection closes after it."""

    def __init__(self, answer: bytes, error: XapiError) -> None:
        super().__init__(answer, error)
        self.answer = answer
        self.error = error
