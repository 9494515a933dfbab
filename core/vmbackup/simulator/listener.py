"""A host's listening socket: it goes away during an outage and comes back at the same address."""

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable

from vmbackup.simulator.faults import Faults, Outage

_SLICE = 0.1  # seconds between two looks at whether an outage is over
_RESET = struct.pack("ii", 1, 0)


class Listener:
    """Takes connections to an IPv4 address. `told` hears which outage began and which one that ends."""

    def __init__(
        self, address: tuple[str, int], faults: Faults, told: Callable[[Outage | None, Outage | None], None]
    ) -> None:
        self._faults = faults
        self._told = told
        self._lock = threading.Lock()
        self._outage: Outage | None = None
        self._closed = False
        self._socket: socket.socket | None = _listening(reserved(address))
        self._reserved: socket.socket | None = None
        self.address: tuple[str, int] = self._socket.getsockname()[:2]
        faults.watch(self._obey)
        self._obey()

    @property
    def silent(self) -> bool:
        """Say whether nobody hears anything from this host at the moment."""
        return self._outage is not None and self._outage.connections == "silent"

    def accept(self) -> socket.socket | None:
        """Wait for a connection; None when this is closed."""
        while True:
            self._obey()
            with self._lock:
                if self._closed:
                    return None
                listening = self._socket
            if listening is None:
                time.sleep(_SLICE / 4)
                continue
            try:
                connection, _ = listening.accept()
            except TimeoutError:
                continue
            except OSError:  # closed by an outage or for good
                time.sleep(_SLICE / 10)
                continue
            if not self._faults.for_connection(self.address[0]):
                return connection
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            connection.close()

    def _obey(self) -> None:
        with self._lock:
            outage = None if self._closed else self._faults.outage(self.address[0])
            before, self._outage = self._outage, outage
            if outage is before:
                return
            if outage is not None and outage.connections != "silent":
                self._shut()
                self._reserved = reserved(self.address)
            elif self._socket is None and not self._closed:
                self._socket, self._reserved = _listening(self._reserved or reserved(self.address)), None
        self._told(outage, before)

    def _shut(self) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
            self._socket.close()
            self._socket = None

    def close(self) -> None:
        """Stop listening; whoever waits for a connection is woken."""
        self._faults.unwatch(self._obey)
        with self._lock:
            self._closed = True
            self._shut()
            if self._reserved is not None:
                self._reserved.close()


def reserved(address: tuple[str, int]) -> socket.socket:
    """Keep an address: who connects to a socket that does not listen is refused, and nobody else can take its port."""
    made = socket.socket()
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
    except OSError:
        made.close()
        raise
    return made


def _listening(bound: socket.socket) -> socket.socket:
    bound.listen(64)
    bound.settimeout(_SLICE)
    return bound
