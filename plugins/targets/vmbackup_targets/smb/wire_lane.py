"""Large reads and writes as our own frames on the library's connection, with at most one copy of their bytes.

The library numbers its own requests and ours from one window, and gets all frames that are not answers to ours.
"""

import threading
import time
from collections.abc import Callable
from typing import Final, Generic, TypeVar

from vmbackup_targets.smb import frames
from vmbackup_targets.smb.envelope import Envelope
from vmbackup_targets.smb.handle import Handle
from vmbackup_targets.smb.lane import CREDIT
from vmbackup_targets.smb.link import CREDITS, Link
from vmbackup_targets.smb.status import Status
from vmbackup_targets.smb.trouble import Lost, Refused

T = TypeVar("T", int, bytes)
_NOTHING: Final = memoryview(b"")


class Pending(Generic[T]):
    """A request that is under way, and then its outcome."""

    def __init__(self, link: Link, read: Callable[[memoryview], T]) -> None:
        """`read` takes the outcome from the answer."""
        self._link = link
        self._read: Callable[[memoryview], T] = read
        self._settled = threading.Event()
        self._outcome: T | None = None
        self._error: Exception | None = None

    def answered(self, status: int, message: memoryview) -> None:
        """Take the answer. Raises ValueError for one that is not whole."""
        if status == Status.SUCCESS:
            self._outcome = self._read(message)
            self._settled.set()
        else:
            self.failed(Refused(status))

    def failed(self, error: Exception) -> None:
        """No answer will come, or a refusal came."""
        if not self._settled.is_set():
            self._error = error
            self._settled.set()

    def result(self) -> T:
        """Wait for the outcome. Raises Refused and Lost."""
        seconds = self._link.channel.seconds
        with self._link.answers():
            if not self._settled.wait(seconds):
                raise Lost(f"the server has not answered for {seconds:g} s")
            if self._outcome is None:
                raise self._error or Lost("the request was given up")
            return self._outcome


class WireLane:
    """Our own frames; see `vmbackup_targets.smb.lane.Lane`."""

    def __init__(self, link: Link, envelope: Envelope) -> None:
        """From now on, this takes the frames of the link's connection that are its own."""
        channel = link.channel
        self._link = link
        self._channel = channel
        self._envelope = envelope
        self._address = frames.Address(link.session.session_id, link.tree.tree_connect_id)
        self._window = threading.Condition(channel.sequence_lock)
        self._pending: dict[int, Pending[int] | Pending[bytes]] = {}
        channel.wire.taker = self._take
        channel.wire.when_closed = self._closed

    def write(self, handle: Handle, offset: int, data: memoryview) -> Pending[int]:
        """Send the bytes; the kernel has them, or a copy of them encrypted, when this returns."""
        pending = Pending(self._link, frames.written)
        number, charge, asked = self._number(len(data), pending)
        request = frames.write_request(
            self._address, frames.Numbers(number, charge, asked, self._envelope.flags), handle.id, offset, len(data)
        )
        self._send(request, data, number)
        return pending

    def read(self, handle: Handle, offset: int, length: int) -> Pending[bytes]:
        """Ask for the bytes."""
        pending = Pending(self._link, _payload)
        number, charge, asked = self._number(length, pending)
        request = frames.read_request(
            self._address, frames.Numbers(number, charge, asked, self._envelope.flags), handle.id, offset, length
        )
        self._send(request, _NOTHING, number)
        return pending

    def _number(self, size: int, pending: Pending[int] | Pending[bytes]) -> tuple[int, int, int]:
        """A message number, what it costs, and the credits to ask for; waits until the server's credits allow it."""
        charge = max(1, -(-size // CREDIT))
        until = time.monotonic() + self._channel.seconds
        with self._link.answers():
            while (taken := self._take_number(charge, pending)) is None:
                if not self._channel.wire.connected:
                    raise Lost("the connection to the server is closed")
                if time.monotonic() > until:
                    raise Lost("the server grants no credit to go on")
                if not self._pending:
                    # A server grants less than it was asked for while messages come out of their order (Samba does).
                    self._channel.echo(self._address.session, timeout=self._channel.seconds, credit_request=CREDITS)
            number, left = taken
            return number, charge, charge if left > self._link.credit // 2 else 2 * charge

    def _take_number(self, charge: int, pending: Pending[int] | Pending[bytes]) -> tuple[int, int] | None:
        """A message number and the credits that are left then; None, after a while, if there are too few."""
        window = self._channel.sequence_window
        with self._window:
            left: int = window["high"] - window["low"] - charge
            if left < 0:
                if self._pending:
                    # The library's own answers bring credits as well, and wake nobody here.
                    self._window.wait(0.05)
                return None
            number: int = window["low"]
            window["low"] += charge
            self._pending[number] = pending
            return number, left

    def _send(self, request: bytes, data: memoryview, number: int) -> None:
        wire = self._channel.wire
        try:
            with self._link.answers(), wire.sending:
                wire.send_parts(self._envelope.wrap(request, data, number))
        except BaseException:
            self._pending.pop(number, None)
            raise

    def _take(self, frame: memoryview) -> bool:
        """Called with every frame by the library's receiving thread."""
        try:
            message = self._envelope.unwrap(frame)
            if message is None:
                return False
            answer = frames.head(message)
            pending = self._pending.get(answer.message)
            if pending is None:
                return False
            self._envelope.prove(message, answer.message)
            with self._window:
                self._channel.sequence_window["high"] += answer.granted
                self._window.notify_all()
            if answer.status != Status.PENDING:
                del self._pending[answer.message]
                pending.answered(answer.status, message)
        except (Lost, ValueError) as error:
            self._fail(error if isinstance(error, Lost) else Lost(str(error)))
            raise
        return True

    def _closed(self) -> None:
        self._fail(Lost("the connection to the server was closed"))

    def _fail(self, error: Lost) -> None:
        for number in list(self._pending):
            pending = self._pending.pop(number, None)
            if pending is not None:
                pending.failed(error)
        with self._window:
            self._window.notify_all()


def _payload(message: memoryview) -> bytes:
    return bytes(frames.payload(message))
