"""Rules for calls by RPC: what strikes their work, and what strikes the request or its answer."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class RpcRule:
    """A rule for a call (`Class.method`, also as `Async.`, or `*` for every one).

    `nth` is which matching call, None for every one; with `onwards` the later ones too. `about` narrows it to calls
    with this string (a ref, a name) among their parameters.
    """

    method: str
    nth: int | None = 1
    about: str = ""
    onwards: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRule(RpcRule):
    """A rule for the work of a call; that of an asynchronous one is done under its task, after the answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFails(CallRule):
    """The call is refused with this error before it does anything."""

    code: str
    params: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CallHook(CallRule):
    """`run` is called before the call's effect, or after it and before the answer."""

    run: Callable[[], None]
    when: Literal["before", "after"] = "before"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallStalls(CallRule):
    """The call waits so many seconds, or until the rule is taken back, before its effect or after it.

    The wait ends when the task is cancelled: before the effect with `TASK_CANCELLED`.
    """

    seconds: float | None = None
    when: Literal["before", "after"] = "before"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallTaskGone(CallRule):
    """The task of an asynchronous call vanishes after the effect (`HANDLE_INVALID`), as when the coordinator restarts.

    A call without a task is not concerned.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRule(RpcRule):
    """A rule for a request, once its parameters and its session are found valid, or for its answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyLost(RequestRule):
    """The call takes effect (or fails), and then the connection is closed or reset without an answer."""

    end: Literal["close", "reset"] = "close"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionLost(RequestRule):
    """The session that calls is destroyed: this call is answered with `SESSION_INVALID`, and so are later ones.

    With `onwards` every new session goes the same way at its first call. A call without a session, such as a login, is
    counted but not struck.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class HostDiesAtCall(RequestRule):
    """The host that is asked goes away before the call does anything; `seconds` and `connections` as in `Outage`."""

    seconds: float | None = None
    connections: Literal["reset", "silent"] = "reset"
