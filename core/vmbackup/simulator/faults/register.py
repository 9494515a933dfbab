"""The rules in force: which of them a call, a request or a connection meets, and how long they last."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from vmbackup.simulator.faults.answers import AnswerRule
from vmbackup.simulator.faults.bodies import BodyRule, PathRule
from vmbackup.simulator.faults.calls import CallRule, RequestRule, RpcRule
from vmbackup.simulator.faults.outages import ConnectionReset, Outage

Rule = CallRule | RequestRule | BodyRule | AnswerRule | Outage | ConnectionReset
_Counted = TypeVar("_Counted", CallRule, RequestRule, BodyRule, AnswerRule, ConnectionReset)
_Rpc = TypeVar("_Rpc", CallRule, RequestRule)
_Path = TypeVar("_Path", BodyRule, AnswerRule)
_SLICE = 0.02  # seconds between two looks at whether a wait is over


@dataclass(slots=True)
class Armed:
    """A rule in force: its number, how often something matched it, and when it was added (seconds, monotonic)."""

    number: int
    rule: Rule
    seen: int = 0
    since: float = field(default_factory=time.monotonic)


class Faults:
    """The rules in force. Each request or call that matches a rule is counted for it, from when it was added."""

    def __init__(self) -> None:
        self._armed: list[Armed] = []
        self._last = 0
        self._lock = threading.Lock()
        self._watchers: list[Callable[[], None]] = []

    def add(self, rule: Rule) -> int:
        """Put a rule in force; returns the number by which it can be taken back."""
        with self._lock:
            self._last += 1
            number = self._last
            self._armed.append(Armed(number, rule))
        self._tell()
        return number

    def remove(self, number: int) -> None:
        """Take one rule back. Raises LookupError when there is no such rule."""
        with self._lock:
            left = [armed for armed in self._armed if armed.number != number]
            if len(left) == len(self._armed):
                raise LookupError(f"no rule has the number {number}")
            self._armed = left
        self._tell()

    def clear(self) -> None:
        """Take all rules back; what stalls or is out goes on."""
        with self._lock:
            self._armed.clear()
        self._tell()

    def armed(self) -> list[Armed]:
        """Give the rules in force, the oldest first."""
        with self._lock:
            return list(self._armed)

    def watch(self, watcher: Callable[[], None]) -> None:
        """Have a function called after each change of the rules."""
        self._watchers.append(watcher)

    def unwatch(self, watcher: Callable[[], None]) -> None:
        """End what `watch` began."""
        self._watchers.remove(watcher)

    def _tell(self) -> None:
        for watcher in list(self._watchers):
            watcher()

    def hold(self, rule: Rule, seconds: float | None, on: Callable[[], bool]) -> None:
        """Wait so long, or for ever; less when the rule is taken back or `on` says no."""
        deadline = None if seconds is None else time.monotonic() + seconds
        while self._in_force(rule) and on():
            left = _SLICE if deadline is None else min(_SLICE, deadline - time.monotonic())
            if left <= 0:
                return
            time.sleep(left)

    def _in_force(self, rule: Rule) -> bool:
        return any(armed.rule is rule for armed in self.armed())

    def outage(self, host: str) -> Outage | None:
        """Give the outage that a host suffers at this moment."""
        for armed in self.armed():
            rule = armed.rule
            if isinstance(rule, Outage) and rule.host in {"", host}:
                age = time.monotonic() - armed.since
                if rule.seconds is None or age < rule.seconds:
                    return rule
        return None

    def for_call(self, method: str, params: Sequence[object]) -> list[CallRule]:
        """Give the rules that strike the work of this call (`Class.method`), counting it."""
        return self._for_rpc(CallRule, method, params)

    def for_request(self, method: str, params: Sequence[object]) -> list[RequestRule]:
        """Give the rules that strike the request for this call or its answer, counting it."""
        return self._for_rpc(RequestRule, method, params)

    def for_body(self, target: str) -> list[BodyRule]:
        """Give the rules that strike this request's body, counting it; `target` is the path with its query, decoded."""
        return self._for_path(BodyRule, target)

    def for_answer(self, target: str) -> list[AnswerRule]:
        """Give the rules that strike this request before its handler, counting it; `target` as for `for_body`."""
        return self._for_path(AnswerRule, target)

    def for_connection(self, host: str) -> list[ConnectionReset]:
        """Give the rules that strike this new connection to a host, counting it."""
        return self._struck(ConnectionReset, lambda rule: rule.host in {"", host})

    def _for_rpc(self, kind: type[_Rpc], method: str, params: Sequence[object]) -> list[_Rpc]:
        def matches(rule: RpcRule) -> bool:
            return rule.method in {"*", method} and (not rule.about or rule.about in params)

        return self._struck(kind, matches)

    def _for_path(self, kind: type[_Path], target: str) -> list[_Path]:
        path = target.partition("?")[0]

        def matches(rule: PathRule) -> bool:
            return path == rule.path and rule.about in target

        return self._struck(kind, matches)

    def _struck(self, kind: type[_Counted], matches: Callable[[_Counted], bool]) -> list[_Counted]:
        found: list[_Counted] = []
        with self._lock:
            for armed in self._armed:
                if isinstance(armed.rule, kind) and matches(armed.rule):
                    armed.seen += 1
                    rule = armed.rule
                    if rule.nth in {None, armed.seen} or (rule.onwards and armed.seen >= (rule.nth or 1)):
                        found.append(rule)
        return found
