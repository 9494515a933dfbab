"""The body of an answer on its way out, and the faults that strike it there."""

from collections.abc import Sequence

from vmbackup.simulator import tasks
from vmbackup.simulator.errors import XapiError
from vmbackup.simulator.faults import (
    BodyHook,
    BodyRule,
    BodyTap,
    Cut,
    CutTarInsideFrame,
    ErrorInBody,
    Flip,
    HostDies,
    PlaceRule,
    Reset,
    Slow,
    Stall,
    TaskEnd,
    TaskEndsEarly,
)
from vmbackup.simulator.handlers import pace
from vmbackup.simulator.handlers.exchange import Exchange
from vmbackup.simulator.wire import HostDied
from vmbackup.simulator.xva import Sink


class Severed(Exception):
    """The connection ends here by a rule: in good order or by a reset, and the task as the rule says."""

    def __init__(self, task: TaskEnd, *, reset: bool) -> None:
        super().__init__(task, reset)
        self.task = task
        self.reset = reset


class TarEnds(Exception):
    """The tar ends here by a rule, without an error."""


class Body:
    """Sends a body and does at each rule's offset what it says. After a break nothing more is sent."""

    def __init__(self, exchange: Exchange, task: str, rules: Sequence[BodyRule]) -> None:
        self._exchange = exchange
        self._task = task
        self._events = sorted(
            ((at, rule) for rule in rules if (at := offset(rule)) is not None), key=lambda event: event[0]
        )
        self._pace = next((pace.Pace(exchange, rule) for rule in rules if isinstance(rule, Slow)), None)
        self._hearers = [rule.hear for rule in rules if isinstance(rule, BodyTap)]
        self._position = 0
        self._broken = False

    def write(self, parts: Sequence[bytes | memoryview]) -> None:
        """Send the parts. Raises Severed, HostDied, XapiError (`ErrorInBody`, a cancelled stall) and OSError."""
        if not self._events:
            self._send(parts)
            return
        for part in parts:
            view = memoryview(part)
            while self._events and self._events[0][0] < self._position + len(view):
                at, rule = self._events.pop(0)
                self._send([view[: at - self._position]])
                view = view[at - self._position :]
                self._position = at
                view = self._strike(rule, view)
            self._send([view])
            self._position += len(view)

    def _send(self, parts: Sequence[bytes | memoryview]) -> None:
        if self._broken:
            return
        for hear in self._hearers:
            for part in parts:
                hear(bytes(part))
        if self._pace is not None:
            for part in parts:
                for piece in self._pace.pieces(part):
                    self._exchange.wire.write([piece])
            return
        self._exchange.wire.write(parts)

    def _strike(self, rule: BodyRule, view: memoryview) -> memoryview:
        match rule:
            case Flip():
                self._send([bytes([view[0] ^ 0xFF])])
                self._position += 1
                return view[1:]
            case BodyHook(run=run):
                run()
            case Stall():
                pace.stall(self._exchange, self._task, rule)
            case TaskEndsEarly():
                tasks.succeed(self._exchange.pool, self._task)
            case _:
                self._broken = True
                end(rule)
        return view


def offset(rule: BodyRule) -> int | None:
    """Give the offset in a body at which a rule strikes, if it strikes at one."""
    match rule:
        case Flip(at=at):
            return at
        case CutTarInsideFrame():  # counts the bytes of the tar, not of the body
            return None
        case TaskEndsEarly(after=after) | PlaceRule(after=after, since="start"):
            return after
    return None


def end(rule: BodyRule) -> None:
    """Raise what ends a body by a rule: Severed, HostDied or XapiError."""
    match rule:
        case Cut(task=task) | Reset(task=task):
            raise Severed(task, reset=isinstance(rule, Reset))
        case HostDies(seconds=seconds, connections=connections):
            raise HostDied(seconds, connections)
        case ErrorInBody(code=code, params=params):
            raise XapiError(code, *params)


class CutTar:
    """Lets so many bytes of a tar through to a compressor and then ends it."""

    def __init__(self, sink: Sink, rule: CutTarInsideFrame) -> None:
        self._sink = sink
        self._rule = rule
        self._left = rule.after

    def write(self, parts: Sequence[bytes | memoryview]) -> None:
        """Pass on what is still let through. Raises TarEnds or XapiError where the rule cuts."""
        for part in parts:
            self._sink.write([part[: self._left]])
            if len(part) > self._left:
                if self._rule.silent:
                    raise TarEnds
                raise XapiError("VDI_IO_ERROR", "Device I/O errors")
            self._left -= len(part)
