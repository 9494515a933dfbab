"""smbprotocol's connection with our transport, a limit on every wait, and no answer taken that is not protected."""

import contextlib
import logging
import time
import uuid

from smbprotocol.connection import Connection, Request, SMB2Echo
from smbprotocol.exceptions import SMBException, SMBResponseException
from smbprotocol.header import Smb2Flags, SMB2HeaderResponse

from vmbackup_targets.smb.status import Status
from vmbackup_targets.smb.trouble import Lost
from vmbackup_targets.smb.wire import Wire

# The library logs the traceback of every connection that breaks; what it raises says the same.
logging.getLogger("smbprotocol").addHandler(logging.NullHandler())

# More than any message costs: a payload of 1 MiB takes 16 credits.
ECHOED = 64


class _Requests(dict[int, object]):
    """The library's waiting requests: its thread goes over them when the connection ends, and others still add some."""

    def values(self) -> list[object]:  # type: ignore[override] # a copy is the point
        """Those of this moment."""
        return list(super().values())


class Channel(Connection):  # type: ignore[misc] # the library has no types
    """A connection to one server, not yet made. Its methods raise Lost, and the library's own SMBResponseException."""

    def __init__(self, server: str, port: int, seconds: float) -> None:
        """`seconds` is what the server may take for each answer."""
        self.seconds = seconds
        self.wire = Wire(server, port, seconds)
        self.guard: str | None = None
        """How answers must be protected from now on: "signed" or "encrypted"; None before the login."""
        super().__init__(uuid.uuid4(), server, port, require_signing=True)
        self.outstanding_requests = _Requests()

    @property
    def transport(self) -> Wire:
        """The library makes a transport of its own when it connects, without limits, and gets ours in its place."""
        return self.wire

    @transport.setter
    def transport(self, made: object) -> None:
        pass

    def send(self, message: object, sid: int | None = None, *arguments: object, **more: object) -> Request:
        """Send a message, once the server's credits allow it: the library gives up at once when they are spent."""
        until = time.monotonic() + self.seconds
        while True:
            try:
                return super().send(message, sid, *arguments, **more)
            except SMBException as error:
                if "credits are available" not in str(error) or time.monotonic() > until:
                    raise
            # They come with the answers to others, of which nobody tells us, or to an echo where none is awaited.
            if not isinstance(message, SMB2Echo) and all(one.response_event.is_set() for one in self._requests()):
                self.echo(sid or 0, timeout=self.seconds, credit_request=ECHOED)
            time.sleep(0.002)

    def _requests(self) -> list[Request]:
        return list(self.outstanding_requests.values())

    def receive(
        self,
        request: object,
        wait: bool = True,  # noqa: FBT001, FBT002 - the library's own signature
        timeout: float | None = None,
        resolve_symlinks: bool = False,  # noqa: FBT001, FBT002 - the library's own signature
    ) -> SMB2HeaderResponse:
        """Wait for an answer. Links on the server are never followed, whatever the library asks for."""
        del resolve_symlinks
        limit, since = timeout or self.seconds, time.monotonic()
        try:
            return super().receive(request, wait=wait, timeout=limit, resolve_symlinks=False)
        except SMBResponseException:
            raise
        except SMBException as error:
            if time.monotonic() - since >= limit:
                raise Lost(f"the server has not answered for {limit:g} s") from error
            raise

    def verify_signature(
        self,
        header: SMB2HeaderResponse,
        session_id: int,
        force: bool = False,  # noqa: FBT001, FBT002 - the library's own signature
    ) -> None:
        """Verify an answer that came in the clear. Raises Lost for one that should have been signed or encrypted.

        The library takes unsigned answers for good. Only "pending" may come so (MS-SMB2 3.2.5.1.3).
        """
        super().verify_signature(header, session_id, force)
        if self.guard is None or header["status"].get_value() == Status.PENDING:
            return
        if self.guard == "encrypted" or not header["flags"].has_flag(Smb2Flags.SMB2_FLAGS_SIGNED):
            raise Lost(f"an answer came that is not {self.guard}: something between us and the server changes it")

    def hang_up(self, *, politely: bool) -> None:
        """Close the connection; `politely` logs off first, as far as the server still answers."""
        with contextlib.suppress(Exception):
            self.disconnect(politely)
        self.wire.close()
        with contextlib.suppress(Exception):
            self.disconnect(close=False)
        self.wire.forget()
