"""What goes wrong on purpose: frozen rules that say which call or request, which time, and what happens."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeVar

TaskEnd = Literal["failure", "success", "pending"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRule:
    """A rule for a call by RPC (also as `Async.`); `nth` is which matching call, None for every one.

    `about` narrows it to calls with this string (a ref, a name) among their parameters.
    """

    method: str
    nth: int | None = 1
    about: str = ""


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
class BodyRule:
    """A rule for the body of an HTTP handler; `path` is the whole path, `about` must be in the request's target.

    `nth` is which matching request, None for every one. Offsets count bytes of the body as they are sent.
    """

    path: str = "/export"
    nth: int | None = 1
    about: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut(BodyRule):
    """The connection is closed in good order (FIN) after so many bytes; the task ends as told."""

    after: int
    task: TaskEnd = "failure"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reset(BodyRule):
    """The connection is reset (RST) after so many bytes; the task ends as told."""

    after: int
    task: TaskEnd = "failure"


@dataclass(frozen=True, slots=True, kw_only=True)
class Flip(BodyRule):
    """The byte at this offset arrives inverted; the task says success."""

    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorInBody(BodyRule):
    """After so many bytes comes the text of an HTTP 500 and the end; the task fails."""

    after: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyHook(BodyRule):
    """`run` is called when so many bytes have been sent."""

    after: int
    run: Callable[[], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaveOutBlock(BodyRule):
    """A block of a disk is never sent: `disk` in order of the stream, `block` in MiB (-1 is the last)."""

    disk: int = 0
    block: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class CutTarInsideFrame(BodyRule):
    """The tar ends after so many bytes (before compression) but the gzip or zstd frame ends validly.

    As xapi does it, the task fails and the text of a 500 follows; `silent`: no text, and the task says success.
    """

    after: int
    silent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFails(BodyRule):
    """The whole body is sent or read, and then the task fails."""

    code: str = "INTERNAL_ERROR"
    params: tuple[str, ...] = ()


Rule = CallRule | BodyRule
_R = TypeVar("_R", CallRule, BodyRule)


@dataclass(slots=True)
class _Armed:
    rule: Rule
    seen: int = 0


@dataclass(slots=True)
class Faults:
    """The rules in force. Each request or call that matches a rule is counted for it, from when it was added."""

    _armed: list[_Armed] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, rule: Rule) -> None:
        """Put a rule in force."""
        with self._lock:
            self._armed.append(_Armed(rule))

    def clear(self) -> None:
        """Take all rules back."""
        with self._lock:
            self._armed.clear()

    def for_call(self, method: str, params: Sequence[object]) -> list[CallRule]:
        """Give the rules that strike this call (`Class.method`), counting it."""
        return self._struck(CallRule, lambda rule: rule.method == method and (not rule.about or rule.about in params))

    def for_body(self, target: str) -> list[BodyRule]:
        """Give the rules that strike this request, counting it; `target` is the path with its query, decoded."""
        path = target.partition("?")[0]
        return self._struck(BodyRule, lambda rule: path == rule.path and rule.about in target)

    def _struck(self, kind: type[_R], matches: Callable[[_R], bool]) -> list[_R]:
        found: list[_R] = []
        with self._lock:
            for armed in self._armed:
                if isinstance(armed.rule, kind) and matches(armed.rule):
                    armed.seen += 1
                    if armed.rule.nth in {None, armed.seen}:
                        found.append(armed.rule)
        return found
