"""The body of an answer on its way out, and the faults that strike it there."""

from collections.abc import Sequence

from vmbackup.simulator.errors import XapiError
from vmbackup.simulator.faults import BodyHook, BodyRule, Cut, CutTarInsideFrame, ErrorInBody, Flip, Reset, TaskEnd
from vmbackup.simulator.wire import Wire
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

    def __init__(self, wire: Wire, rules: Sequence[BodyRule]) -> None:
        self._wire = wire
        self._events = sorted(((_offset(rule), rule) for rule in rules if _offset(rule) >= 0), key=lambda one: one[0])
        self._position = 0
        self._broken = False

    def write(self, parts: Sequence[bytes | memoryview]) -> None:
        """Send the parts. Raises Severed, XapiError (`ErrorInBody`) and OSError."""
        if not self._events:
            self._send(parts)
            return
        for part in parts:
            view = memoryview(part)
            while self._events and self._events[0][0] < self._position + len(view):
                offset, rule = self._events.pop(0)
                self._send([view[: offset - self._position]])
                view = view[offset - self._position :]
                self._position = offset
                view = self._strike(rule, view)
            self._send([view])
            self._position += len(view)

    def _send(self, parts: Sequence[bytes | memoryview]) -> None:
        if not self._broken:
            self._wire.write(parts)

    def _strike(self, rule: BodyRule, view: memoryview) -> memoryview:
        match rule:
            case Flip():
                self._send([bytes([view[0] ^ 0xFF])])
                self._position += 1
                return view[1:]
            case BodyHook(run=run):
                run()
                return view
            case Cut(task=task) | Reset(task=task):
                self._broken = True
                raise Severed(task, reset=isinstance(rule, Reset))
        self._broken = True
        raise XapiError("SR_BACKEND_FAILURE_200", "", "Any I/O error [opterr=simulated]", "")


def _offset(rule: BodyRule) -> int:
    match rule:
        case Cut(after=after) | Reset(after=after) | ErrorInBody(after=after) | BodyHook(after=after) | Flip(at=after):
            return after
    return -1


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
