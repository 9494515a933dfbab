"""A session with a pool: calls, and every error of XAPI as one of ours."""

import contextlib
import http.client
import threading
import time
import xmlrpc.client
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from types import TracebackType
from typing import Self
from xml.parsers.expat import ExpatError

import XenAPI
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError

from vmbackup.errors import PoolError, TimeUp, TransferError, Unreachable, VmbackupError
from vmbackup.version import __version__
from vmbackup.xapi.advice import pool_error
from vmbackup.xapi.trust import Address, Trust, connections, is_distrust, untrusted
from vmbackup.xapi.wire import Record, table

ANSWER_SECONDS = 300.0
# XAPI retries a conflict for two hours before it answers (xapi: helpers.ml), and thick storage copies for as long.
SLOW_ANSWER_SECONDS = 8000.0
# A socket takes no time-out of nothing.
MOMENT_SECONDS = 0.05
SLOW_CALLS = frozenset(
    {"VM.snapshot", "VM.destroy", "VM.start", "VDI.snapshot", "VDI.create", "VDI.destroy", "VM.set_is_a_template"}
)
# A session is lost with its toolstack, and a coordinator changes within minutes.
RENEWALS, RENEW_SECONDS, RENEW_PAUSE = 5, 180.0, 2.0
LOST = frozenset({"SESSION_INVALID", "HOST_IS_SLAVE"})
# Why a host that is up is no way in at the moment (xapi: api_server.ml).
EMERGENCIES = frozenset(
    {"HOST_STILL_BOOTING", "HOST_HAS_NO_MANAGEMENT_IP", "HOST_UNKNOWN_TO_MASTER", "HOST_MASTER_CANNOT_TALK_BACK"}
)
# Calls that may take effect twice: what is destroyed or set already stays so, and tasks are found by their labels.
REPEATABLE = ("get_", "set_", "remove_from_", "destroy", "cancel")
GONE = frozenset({"HANDLE_INVALID", "UUID_INVALID"})


class _Transport(xmlrpc.client.Transport):
    """XML-RPC over connections whose certificate has been checked; time-outs are set for each call and thread."""

    def __init__(self, http: HTTPConnectionPool) -> None:
        super().__init__()
        self.http = http
        self.patience = threading.local()

    def request(
        self,
        host: tuple[str, dict[str, str]] | str,
        handler: str,
        request_body: object,
        verbose: bool = False,  # noqa: FBT001, FBT002 - the signature of xmlrpc.client
    ) -> "tuple[xmlrpc.client._Marshallable, ...]":
        del host, verbose
        response = self.http.urlopen(
            "POST",
            handler,
            body=request_body,  # type: ignore[arg-type]
            headers={"Content-Type": "text/xml", "User-Agent": f"vmbackup/{__version__}"},
            timeout=getattr(self.patience, "seconds", ANSWER_SECONDS),
            redirect=False,
        )
        if response.status != http.client.OK:
            raise TransferError(
                f"{self.http.host} answered a call with HTTP {response.status}",
                advice="Look whether pool.url is the address of a pool's coordinator, with the right port.",
            )
        return self._parse(response.data)

    def _parse(self, data: bytes) -> "tuple[xmlrpc.client._Marshallable, ...]":
        """Read an answer. Raises ResponseError for whatever XAPI does not answer; the binding would stumble over it."""
        parser, unmarshaller = self.getparser()
        try:
            parser.feed(data)
            parser.close()
            values = unmarshaller.close()
        except (ExpatError, LookupError, TypeError, ValueError) as error:
            raise xmlrpc.client.ResponseError(str(error)) from error
        match values:
            case ({"Status": "Success", "Value": _},) | ({"Status": str(), "ErrorDescription": [str(), *_]},):
                return values
        raise xmlrpc.client.ResponseError("it is neither a value nor an error")


class Session:
    """A login to a pool, from `with` to its end; safe for several threads."""

    def __init__(
        self,
        address: Address,
        trust: Trust,
        username: str,
        password: str,
        *,
        originator: str,
        members: Iterable[str] = (),
    ) -> None:
        """`members` are other addresses of the pool, tried when `address` does not answer.

        `originator` should be unique for a run: XAPI ends the oldest sessions of one that has too many.
        """
        self.address = address
        self.trust = trust
        self.members = frozenset(members)
        self._login = (username, password, "1.0", originator)
        self._connect(address)
        self._renewing = threading.Lock()
        self._renewed = 0

    def __enter__(self) -> Self:
        """Log in. Raises LoginRefused, Untrusted, PoolError or TransferError."""
        try:
            self._log_in_somewhere()
        except BaseException:
            self._transport.http.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        """Log out, if the pool still lets us."""
        self._transport.patience.seconds = ANSWER_SECONDS
        try:
            with contextlib.suppress(VmbackupError), self._errors("logout"):
                self._binding.session.logout(self.handle)
        finally:
            self._transport.http.close()

    @property
    def handle(self) -> str:
        """The reference of the session, which is as good as the password: for a cookie, never for a URL or a log."""
        return str(self._binding.handle)

    def call(self, name: str, *parameters: object, within: float | None = None) -> object:
        """Call `Class.method`; integers go as text, as XML-RPC's end at 32 bits. Raises PoolError or TransferError.

        A session that the pool has lost is renewed, at another member if need be, and the call repeated: but for one
        that may have taken effect already, and would then take effect twice. After `within` seconds the answer is
        not awaited any longer, and TimeUp raised: the pool may go on with the call all the same.
        """
        sent = tuple(_parameter(value) for value in parameters)
        handle = self.handle
        began = time.monotonic()
        try:
            return self._call(name, sent, within)
        except (PoolError, TransferError) as error:
            if within is not None and isinstance(error, TransferError) and time.monotonic() >= began + within:
                raise TimeUp(f"{name}: the time that max-duration gives was up before the pool answered") from error
            if not _is_lost(error):
                raise
            self._renew(handle, error)
            if not (_had_no_effect(error) or name.partition(".")[2].startswith(REPEATABLE)):
                raise
            return self._call(name, sent, within)

    def _call(self, name: str, parameters: tuple[object, ...], within: float | None = None) -> object:
        usual = SLOW_ANSWER_SECONDS if name in SLOW_CALLS else ANSWER_SECONDS
        self._transport.patience.seconds = usual if within is None else max(MOMENT_SECONDS, min(usual, within))
        if self._binding.handle is None:
            raise pool_error(name, ["SESSION_INVALID"])
        with self._errors(name):
            return self._binding.xenapi_request(name, parameters)

    def _connect(self, address: Address) -> None:
        self.address = address
        self._transport = _Transport(connections(address, self.trust, read_seconds=ANSWER_SECONDS))
        self._binding = XenAPI.Session(f"{address.url}/", transport=self._transport)

    def _log_in(self) -> None:
        with self._errors("login"):
            self._binding.login_with_password(*self._login)
        # Else the binding would log in again by itself, without a limit and at this host only.
        self._binding.last_login_method = None

    def _log_in_somewhere(self) -> None:
        """Log in at the coordinator: here, at any known member, or where a member says that it is."""
        waiting = [self.address, *(self.address.beside(host) for host in sorted(self.members))]
        tried: set[Address] = set()
        first: VmbackupError | None = None
        while waiting:
            address = waiting.pop(0)
            if address in tried:
                continue
            tried.add(address)
            self._transport.http.close()
            self._connect(address)
            try:
                self._log_in()
            except PoolError as error:
                first = first or error
                if error.xapi_code == "HOST_IS_SLAVE" and error.parameters:
                    waiting.insert(0, self.address.beside(error.parameters[0]))
                elif error.xapi_code not in EMERGENCIES:
                    raise
            except TransferError as error:
                first = first or error
            else:
                return
        if first:
            raise first

    def _renew(self, handle: str, cause: VmbackupError) -> None:
        """Log in again, unless another thread has; a few times in a session's life and no more: never a storm."""
        with self._renewing:
            if self.handle != handle:
                return
            if self._renewed >= RENEWALS:
                raise cause
            self._renewed += 1
            deadline = time.monotonic() + RENEW_SECONDS
            while True:
                try:
                    self._log_in_somewhere()
                except (PoolError, TransferError):
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(RENEW_PAUSE)
                else:
                    return

    def record(self, name: str, reference: str) -> Record:
        """Return the record of one object: `name` is its class."""
        answer = self.call(f"{name}.get_record", reference)
        if not isinstance(answer, dict):
            raise TransferError(f"{name}.get_record: the pool's answer makes no sense")
        return answer

    def records(self, name: str) -> dict[str, Record]:
        """Return all records of a class, by reference."""
        return table(self.call(f"{name}.get_all_records"))

    def living(self, name: str, references: Iterable[str]) -> Iterator[tuple[str, Record]]:
        """Yield the objects of class `name` that are still there: references may outlive what they refer to."""
        for reference in references:
            try:
                yield reference, self.record(name, reference)
            except PoolError as error:
                if error.xapi_code not in GONE:
                    raise

    def find(self, name: str, uuid: str) -> str | None:
        """Return the reference of the object of class `name` with that UUID, or None if there is none."""
        try:
            return str(self.call(f"{name}.get_by_uuid", uuid))
        except PoolError as error:
            if error.xapi_code in GONE:
                return None
            raise

    @contextlib.contextmanager
    def _errors(self, doing: str) -> Iterator[None]:
        try:
            yield
        except XenAPI.Failure as failure:
            raise pool_error(doing, [str(detail) for detail in failure.details]) from None
        except (HTTPError, OSError) as error:
            if is_distrust(error):
                raise untrusted(self.address, self.trust, error) from error
            kind = Unreachable if isinstance(error, NewConnectionError | ConnectTimeoutError) else TransferError
            raise kind(
                f"{doing}: {self.address.url} does not answer: {_cause(error)}",
                advice="Check the address, the network, and that the coordinator's toolstack is running.",
            ) from error
        except xmlrpc.client.Fault as fault:
            if fault.faultCode == HTTPStatus.UNAUTHORIZED:
                raise pool_error(doing, ["SESSION_INVALID"]) from None
            raise TransferError(f"{doing}: the pool's answer makes no sense: {fault}") from fault
        except (xmlrpc.client.Error, UnicodeError) as error:
            raise TransferError(f"{doing}: the pool's answer makes no sense: {error}") from error


def _is_lost(error: VmbackupError) -> bool:
    return isinstance(error, TransferError) or (isinstance(error, PoolError) and error.xapi_code in LOST)


def _had_no_effect(error: VmbackupError) -> bool:
    return isinstance(error, PoolError | Unreachable)


def _parameter(value: object) -> object:
    match value:
        case bool():
            return value
        case int():
            return str(value)
        case dict():
            return {key: _parameter(item) for key, item in value.items()}
        case list() | tuple():
            return [_parameter(item) for item in value]
    return value


def _cause(error: Exception) -> str:
    """Return the words of the system under the wrappings of the library."""
    inner = error
    while isinstance(following := inner.__cause__ or inner.__context__, OSError):
        inner = following
    return str(inner)
