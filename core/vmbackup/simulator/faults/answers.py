"""Rules for what a request to an HTTP handler is answered, in place of the handler's own answer."""

from dataclasses import dataclass
from typing import Literal

from vmbackup.simulator.faults.bodies import PathRule


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerRule(PathRule):
    """A rule that strikes before the handler sees the request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmptyReply(AnswerRule):
    """The connection is closed without a byte; the task fails with `NO_HOSTS_AVAILABLE` or stays pending."""

    task: Literal["failure", "pending"] = "failure"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unauthorised(AnswerRule):
    """401, as for an expired session; the task stays pending."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forbidden(AnswerRule):
    """403, as for a role that is too low; the task fails with `RBAC_PERMISSION_DENIED`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirect(AnswerRule):
    """302 to another place; `to` is scheme, host and port, to which the request's path and query are added."""

    to: str = "https://192.0.2.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class RedirectLoop(AnswerRule):
    """302 to where the request came from, each time that it comes."""

    nth: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LateAnswer(AnswerRule):
    """The handler begins only after so many seconds, or when the rule is taken back."""

    seconds: float | None = None
